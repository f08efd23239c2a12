using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>An instruction held against one form: which modifier fills which slot, and what is wrong.</summary>
internal sealed class FormMatch
{
    private readonly PtxInstruction _instruction;
    private readonly InstructionForm _form;
    private readonly Dictionary<string, string> _slots = new(StringComparer.Ordinal);
    private readonly List<PtxDiagnostic> _found = [];

    private FormMatch(InstructionForm form, PtxInstruction instruction)
    {
        _form = form;
        _instruction = instruction;
    }

    /// <summary>How far it fits: 0 modifiers do not, 1 combinations of modifiers do not, 2 operands do not, 3 target or version do not, 4 all does.</summary>
    public int Stage { get; private set; }

    public IReadOnlyList<PtxDiagnostic> Diagnostics => _found;

    /// <summary>The best match among forms.</summary>
    public static FormMatch Best(IEnumerable<InstructionForm> forms, PtxInstruction instruction, PtxTarget target, PtxVersion version) =>
        forms.Select(form => Of(form, instruction, target, version)).OrderByDescending(match => match.Stage).ThenBy(match => match._found.Count).First();

    private static FormMatch Of(InstructionForm form, PtxInstruction instruction, PtxTarget target, PtxVersion version)
    {
        var match = new FormMatch(form, instruction);
        Action[] stages = [match.Modifiers, match.Combinations, match.Operands, () => match.Requirements(target, version)];
        foreach (Action stage in stages)
        {
            stage();
            if (match._found.Any(found => found.Severity == PtxSeverity.Error))
            {
                return match;
            }
            match.Stage++;
        }
        return match;
    }

    private void Report(PtxSeverity severity, string message) => _found.Add(new PtxDiagnostic(_instruction.Line, _instruction.Column, severity, message));

    private void Modifiers()
    {
        int last = -1;
        foreach (string modifier in _instruction.Opcode.Skip(_form.Head.Count))
        {
            int at = Free(modifier, last + 1);
            if (at < 0)
            {
                Report(PtxSeverity.Error, Misplaced(modifier));
                continue;
            }
            // .satfinite of tensor instructions stands on either side of the types in manuals.
            if (at < last && !(_form.Slots[last].Name == "satfinite" && _form.Slots.Any(slot => slot.Name == "shape")))
            {
                Report(PtxSeverity.Warning, $"Modifier '.{modifier}' of '{_form.Name}' belongs before '.{_slots[_form.Slots[last].Name]}'");
            }
            _slots.Add(_form.Slots[at].Name, modifier);
            last = Math.Max(at, last);
        }
        foreach (ModifierSlot slot in _form.Slots.Where(slot => !slot.Optional && !_slots.ContainsKey(slot.Name)))
        {
            Report(PtxSeverity.Error, MissingText(slot));
        }
    }

    private int Free(string modifier, int from)
    {
        bool Fits(ModifierSlot slot) => slot.Alternatives.Contains(modifier) && !_slots.ContainsKey(slot.Name);
        for (int i = from; i < _form.Slots.Count; i++)
        {
            if (Fits(_form.Slots[i]))
            {
                return i;
            }
        }
        // Other modifiers may stand in any order, types may not.
        int first = RegisterTypes.IsOperandType(modifier) ? LastType() + 1 : 0;
        for (int i = first; i < from; i++)
        {
            if (Fits(_form.Slots[i]))
            {
                return i;
            }
        }
        return -1;
    }

    private int LastType() =>
        Enumerable.Range(0, _form.Slots.Count).LastOrDefault(i => _slots.TryGetValue(_form.Slots[i].Name, out string? filled) && RegisterTypes.IsOperandType(filled), -1);

    private string Misplaced(string modifier)
    {
        if (!FormTable.IsModifier(modifier))
        {
            return RegisterTypes.IsOperandType(modifier) ? $"Unexpected instruction types specified for '{_form.Name}'" : $"Unknown modifier '.{modifier}'";
        }
        if (RegisterTypes.IsOperandType(modifier))
        {
            return $"Unexpected instruction types specified for '{_form.Name}'";
        }
        if (_form.Slots.Any(slot => slot.Name == "shape") && modifier[0] == 'm' && char.IsAsciiDigit(modifier[1]))
        {
            return $"Illegal matrix shape '.{modifier}' for instruction '{_form.Name}'";
        }
        return ModifierSets.Expand("@space").Contains(modifier) && _form.Slots.Any(slot => slot.Alternatives.Any(ModifierSets.Expand("@space").Contains))
            ? $"State space incorrect for instruction '{_form.Name}': '.{modifier}'"
            : $"Illegal modifier '.{modifier}' for instruction '{_form.Name}'";
    }

    private string MissingText(ModifierSlot slot) => slot.Name switch
    {
        "type" or "atype" or "btype" or "ctype" or "mode" or "d" or "a" or "b" or "c" or "scale" => $"Unexpected instruction types specified for '{_form.Name}'",
        "round" => $"Rounding modifier required for instruction '{_form.Name}'",
        "compare" => $"Comparison modifier required for instruction '{_form.Name}'",
        "shape" => $"Shape modifier required for instruction '{_form.Name}'",
        "rows" => $".alayout modifier required for instruction '{_form.Name}'",
        "columns" => $".blayout modifier required for instruction '{_form.Name}'",
        "dst" or "src" or "space" => $"State space incorrect for instruction '{_form.Name}'",
        _ => $".{slot.Name} modifier required for instruction '{_form.Name}'",
    };

    private void Combinations()
    {
        foreach (FormRule rule in _form.Rules.Concat(FormTable.Common).Where(rule => rule.Needs is null && rule.Conditions.All(Holds)))
        {
            Report(rule.Severity, Fill(rule.Message));
        }
    }

    private string Fill(string message)
    {
        foreach ((string slot, string modifier) in _slots)
        {
            message = message.Replace("$" + slot, modifier, StringComparison.Ordinal);
        }
        return message.Replace("$name", _form.Name, StringComparison.Ordinal);
    }

    private void Requirements(PtxTarget target, PtxVersion version)
    {
        if (_form.Needs.Missing(_instruction.Text, target, version) is string missing)
        {
            Report(PtxSeverity.Error, missing);
            return;
        }
        foreach (FormRule rule in _form.Rules.Concat(FormTable.Common).Where(rule => rule.Needs is not null && rule.Conditions.All(Holds)))
        {
            string feature = rule.Conditions.Select(condition => _slots.GetValueOrDefault(condition.Subject)).OfType<string>().LastOrDefault() is string modifier
                ? $"{_form.Name} with .{modifier}"
                : _instruction.Text;
            if (rule.Needs!.Missing(rule.Conditions.Any(condition => condition.Subject == "bits") ? "256 bit wide load/store" : feature, target, version) is string text)
            {
                Report(PtxSeverity.Error, text);
                return;
            }
        }
    }

    private bool Holds(FormCondition condition)
    {
        if (condition.Subject == "args")
        {
            return _instruction.Operands.Count == int.Parse(condition.Values[0]);
        }
        if (condition.Subject == "bits")
        {
            return AccessBytes() * 8 > int.Parse(condition.Values[0]);
        }
        if (condition.Subject.StartsWith("arg", StringComparison.Ordinal))
        {
            return ArgumentIs(int.Parse(condition.Subject.AsSpan(3)), condition);
        }
        string? value = _slots.GetValueOrDefault(condition.Subject);
        bool listed = value is not null && condition.Values.Any(one => one[..Math.Min(1, one.Length)] == "$" ? _slots.GetValueOrDefault(one[1..]) == value : one == value);
        return condition.Comparison switch
        {
            "!" => value is null,
            "!=" => !listed,
            "=" => listed,
            _ => value is not null,
        };
    }

    private bool ArgumentIs(int index, FormCondition condition)
    {
        PtxOperand? operand = _instruction.Operands.ElementAtOrDefault(index);
        if (condition.Comparison == ">")
        {
            return operand is { Kind: OperandKind.Integer } && operand.Bits > ulong.Parse(condition.Values[0]);
        }
        PtxSymbol? symbol = operand is { Kind: OperandKind.Name } ? _instruction.Scope.Find(operand.Name) : null;
        return condition.Values[0] switch
        {
            "imm" => operand is { Kind: OperandKind.Integer },
            "pred" => symbol is RegisterSymbol { Type: "pred" },
            "reg" => symbol is RegisterSymbol,
            _ => operand is { Kind: OperandKind.Sink },
        };
    }

    /// <summary>Bytes that a load or store moves; 0 without a type.</summary>
    private int AccessBytes() => _slots.TryGetValue("type", out string? type) ? RegisterTypes.Bits(type) / 8 * Count("$vec") : 0;

    private void Operands()
    {
        OperandForm[] wanted = [.. _form.Operands.Where(operand => operand.When is null || Holds(operand.When))];
        if (wanted is [{ Kind: "*" }])
        {
            return;
        }
        IReadOnlyList<PtxOperand> given = _instruction.Operands;
        int spare = wanted.Length - given.Count;
        if (spare < 0 || spare > wanted.Count(operand => operand.Optional))
        {
            Report(PtxSeverity.Error, $"Arguments mismatch for instruction '{_form.Name}'");
            return;
        }
        int at = 0;
        int kept = wanted.Count(operand => operand.Optional) - spare;
        var check = new OperandCheck(_form.Name, _instruction, _found, AccessBytes());
        foreach (OperandForm form in wanted)
        {
            if (!form.Optional || kept-- > 0)
            {
                check.Check(given[at], Resolved(form), at, form.Count is string count ? (form.Count == "$vec" && !_slots.ContainsKey("vec") ? null : Count(count)) : null);
                at++;
            }
        }
    }

    private OperandForm Resolved(OperandForm form) => form with
    {
        Types = [.. form.Types.Select(Type)],
        Space = form.Space.StartsWith('$') ? _slots.GetValueOrDefault(form.Space[1..], "generic") : form.Space,
    };

    private string Type(string type)
    {
        if (type.StartsWith("2$", StringComparison.Ordinal))
        {
            string narrow = _slots[type[2..]];
            return $"{narrow[0]}{RegisterTypes.Bits(narrow) * 2}";
        }
        return type[0] == '$' ? _slots[type[1..]] : type;
    }

    private int Count(string count)
    {
        switch (count)
        {
            case "$vec":
                return _slots.TryGetValue("vec", out string? vector) ? vector[1] - '0' : 1;
            case "$num":
                return _slots["num"][1] - '0';
            case "twice":
                return 2 * (_slots["num"][1] - '0');
            case "$dim":
                return _slots["dim"][0] - '0';
            case "offsets":
                return _slots["dim"][0] - '0' - 2;
            case "half" or "quarter":
                string shape = _slots["shape"];
                int n = int.Parse(shape.AsSpan(shape.IndexOf('n', StringComparison.Ordinal) + 1, shape.IndexOf('k', StringComparison.Ordinal) - shape.IndexOf('n', StringComparison.Ordinal) - 1));
                return count == "half" ? n / 2 : n / 4;
            default:
                return int.Parse(count);
        }
    }
}
