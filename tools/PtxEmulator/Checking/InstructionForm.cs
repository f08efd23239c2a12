namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>A place for one modifier.</summary>
internal sealed record ModifierSlot(string Name, IReadOnlyList<string> Alternatives, bool Optional);

/// <summary>An operand of a form; <see cref="FormParser"/> says how it is written.</summary>
internal sealed record OperandForm(string Kind)
{
    /// <summary>Operand types, any of which will do; $slot stands for a modifier.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>Integers and untyped data may lie in a wider register.</summary>
    public bool Wider { get; init; }

    /// <summary>Type of the second half of d|p, or null.</summary>
    public string? Pair { get; init; }

    public bool PairOptional { get; init; }

    /// <summary>Parts of a vector, or null for a scalar.</summary>
    public string? Count { get; init; }

    /// <summary>What an immediate may be, or null.</summary>
    public string? Limit { get; init; }

    /// <summary>State space of an address.</summary>
    public string Space { get; init; } = "";

    /// <summary>May be left out, from the left.</summary>
    public bool Optional { get; init; }

    /// <summary>There if and only if this holds; null: always.</summary>
    public FormCondition? When { get; init; }
}

/// <summary>A test of a modifier, of the number of operands or of an operand's kind.</summary>
internal sealed record FormCondition(string Subject, string Comparison, IReadOnlyList<string> Values);

/// <summary>What follows from conditions: a requirement, an error or a warning.</summary>
internal sealed record FormRule(IReadOnlyList<FormCondition> Conditions, Requirement? Needs, PtxSeverity Severity, string Message);

/// <summary>One way to write an instruction.</summary>
internal sealed record InstructionForm(
    IReadOnlyList<string> Head,
    IReadOnlyList<ModifierSlot> Slots,
    IReadOnlyList<OperandForm> Operands,
    Requirement Needs)
{
    public List<FormRule> Rules { get; } = [];

    public string Name { get; } = string.Join('.', Head);
}
