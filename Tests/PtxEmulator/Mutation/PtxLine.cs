using System.Globalization;
using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>An instruction that has a line to itself.</summary>
internal sealed partial record PtxLine(int Number, string Guard, string Opcode, IReadOnlyList<string> Operands)
{
    /// <summary>The opcode's part before the first dot.</summary>
    public string Root { get; } = Opcode.Split('.')[0];

    /// <summary>The last part: the type, of most instructions.</summary>
    public string Type { get; } = Opcode.Split('.')[^1];

    public bool IsInteger => Type.Length > 1 && Type[0] is 's' or 'u' or 'b' && char.IsAsciiDigit(Type[^1]);

    public bool IsFloat => Type.Length > 1 && Type[0] == 'f' && char.IsAsciiDigit(Type[1]);

    public override string ToString() => $"{Guard}{(Guard.Length > 0 ? " " : "")}{Opcode}{(Operands.Count > 0 ? " " : "")}{string.Join(", ", Operands)};";

    /// <summary>The instruction of a line, or null if it holds none or more than one.</summary>
    public static PtxLine? Parse(string line, int number)
    {
        Match match = Instruction().Match(line);
        return match.Success && !match.Groups[3].Value.Contains(';', StringComparison.Ordinal)
            ? new PtxLine(number, match.Groups[1].Value, match.Groups[2].Value, Split(match.Groups[3].Value))
            : null;
    }

    /// <summary>Names of registers in a text.</summary>
    public static IEnumerable<string> Registers(string text) => Register().Matches(text).Select(match => match.Value);

    /// <summary>An operand as a whole number, or null.</summary>
    public long? Constant(int operand) =>
        operand < Operands.Count && long.TryParse(Operands[operand], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) ? value : null;

    public PtxLine With(int operand, string text) => this with { Operands = [.. Operands.Select((old, i) => i == operand ? text : old)] };

    public PtxLine With(int operand, long value) => With(operand, value.ToString(CultureInfo.InvariantCulture));

    public PtxLine Swapped(int one, int other) => With(one, Operands[other]).With(other, Operands[one]);

    /// <summary>Another first part, or another modifier that stands between dots or at the end.</summary>
    public PtxLine Renamed(string part, string by) => this with { Opcode = string.Join('.', Opcode.Split('.').Select(word => word == part ? by : word)) };

    private static List<string> Split(string text)
    {
        var operands = new List<string>();
        int depth = 0;
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && depth == 0))
            {
                if (text[start..i].Trim() is { Length: > 0 } operand)
                {
                    operands.Add(operand);
                }
                start = i + 1;
            }
            else
            {
                depth += text[i] is '[' or '{' or '(' ? 1 : text[i] is ']' or '}' or ')' ? -1 : 0;
            }
        }
        return operands;
    }

    [GeneratedRegex(@"^\s*(@!?%?\w+)?\s*([a-z][a-z0-9_]*(?:\.[A-Za-z0-9_:]+)*)(?:\s+([^/]*?))?\s*;\s*(?://.*)?$")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"%[a-zA-Z_]\w*")]
    private static partial Regex Register();
}
