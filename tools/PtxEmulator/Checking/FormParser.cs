using System.Text.RegularExpressions;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>
/// Reads the tables of instruction forms. A line is <c>opcode slots | operands | needs</c>; indented lines below it are its rules.
/// <para>Opcode: words that come first; <c>a/b</c> makes a form for each. Slots: <c>name=x,y</c>, <c>name?=x,y</c> (optional), <c>.x</c>, <c>.x?</c>;
/// <c>@set</c> stands for the modifiers of a set, <c>@mN..K</c> sets hold shapes.</para>
/// <para>Operands: <c>kind:type/type|pair*count{limit}?when</c>. Kinds: d destination, e destination whose vector may have sinks, D destination or sink,
/// s source, r register, i immediate, m source of a move, pack, unpack; <c>[space]</c>, <c>[map*rank]</c>, <c>_</c>, <c>label</c>, <c>targets</c>,
/// <c>*</c> (anything). Types: those of PTX, fragment, matrix, <c>$slot</c>, <c>2$slot</c> (twice as wide); <c>~</c>: in a wider register too.
/// <c>?</c>: may be left out; <c>?slot</c>, <c>?slot=x</c>: there if and only if the modifier is.</para>
/// <para>Rules: <c>conditions -> sm_80 7.4</c>, <c>-> error text</c>, <c>-> warn text</c>. Conditions: <c>slot</c>, <c>!slot</c>, <c>slot=x,y</c>,
/// <c>slot!=x,y</c>, <c>args=3</c>, <c>arg2=pred</c> (imm, reg, pred, sink), <c>arg0>7</c>, <c>bits>128</c> (bits of a whole access).</para>
/// </summary>
internal static partial class FormParser
{
    public static IEnumerable<InstructionForm> Read(string table)
    {
        List<InstructionForm> current = [];
        foreach (string line in table.Split('\n'))
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            if (line[0] == ' ')
            {
                FormRule rule = Rule(line);
                current.ForEach(form => form.Rules.Add(rule));
                continue;
            }
            foreach (InstructionForm form in current)
            {
                yield return form;
            }
            current = [.. Forms(line)];
        }
        foreach (InstructionForm form in current)
        {
            yield return form;
        }
    }

    /// <summary>A rule: conditions, an arrow and what follows.</summary>
    public static FormRule Rule(string line)
    {
        string[] halves = line.Split(" -> ", 2);
        FormCondition[] conditions = [.. Words(halves[0]).Select(Condition)];
        string[] words = Words(halves[1]);
        string text = string.Join(' ', words.Skip(1));
        return words[0] switch
        {
            "error" => new FormRule(conditions, null, PtxSeverity.Error, text),
            "warn" => new FormRule(conditions, null, PtxSeverity.Warning, text),
            _ => new FormRule(conditions, Requirement.Parse(words) ?? throw new FormatException(line), PtxSeverity.Error, ""),
        };
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<InstructionForm> Forms(string line)
    {
        string[] sections = line.Split(" |");
        string[] words = Words(sections[0]);
        ModifierSlot[] slots = [.. words.Skip(1).Select(Slot)];
        OperandForm[] operands = [.. Words(sections[1]).Select(Operand)];
        Requirement needs = Requirement.Parse(Words(sections.Length > 2 ? sections[2] : "")) ?? throw new FormatException(line);
        return words[0].Split('/').Select(head => new InstructionForm(head.Split('.'), slots, operands, needs));
    }

    private static ModifierSlot Slot(string word)
    {
        if (word[0] == '.')
        {
            string modifier = word.Trim('.', '?');
            return new ModifierSlot(modifier, [modifier], word[^1] == '?');
        }
        string[] halves = word.Split('=', 2);
        return new ModifierSlot(halves[0].TrimEnd('?'), [.. halves[1].Split(',').SelectMany(ModifierSets.Expand)], halves[0][^1] == '?');
    }

    private static OperandForm Operand(string word)
    {
        Match match = OperandPattern().Match(word);
        if (!match.Success)
        {
            throw new FormatException(word);
        }
        string Text(string name) => match.Groups[name].Value;
        string? OrNull(string name) => match.Groups[name] is { Success: true, Length: > 0 } group ? group.Value : null;
        return new OperandForm(Text("space").Length > 0 ? "[" : Text("kind"))
        {
            Types = OrNull("types")?.Split('/') ?? [],
            Wider = match.Groups["wider"].Success,
            Pair = OrNull("pair"),
            PairOptional = match.Groups["pairOptional"].Success,
            Count = OrNull("count"),
            Limit = OrNull("limit"),
            Space = Text("space"),
            Optional = match.Groups["optional"].Success && !match.Groups["when"].Success,
            When = OrNull("when") is string condition ? Condition(condition) : null,
        };
    }

    private static FormCondition Condition(string text)
    {
        Match match = ConditionPattern().Match(text);
        return match.Success
            ? new FormCondition(match.Groups["subject"].Value, match.Groups["no"].Success ? "!" : match.Groups["comparison"].Value, match.Groups["values"].Value.Split(','))
            : throw new FormatException(text);
    }

    [GeneratedRegex(@"^(?:(?<kind>\w+|\*)(?::(?<wider>~)?(?<types>[\w$/]+))?|\[(?<space>[\w$:]+)(?:\*(?<count>[\w$]+))?\])(?:\|(?<pairOptional>\?)?(?<pair>\w+))?(?:\*(?<count>[\w$]+))?(?:\{(?<limit>[^}]+)\})?(?<optional>\?(?<when>[\w=:,!]+)?)?$")]
    private static partial Regex OperandPattern();

    [GeneratedRegex(@"^(?<no>!)?(?<subject>[\w:]+)(?:(?<comparison>!=|=|>)(?<values>\S+))?$")]
    private static partial Regex ConditionPattern();
}
