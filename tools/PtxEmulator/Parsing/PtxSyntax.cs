namespace Llama4Kernels.PtxEmulator.Parsing;

internal enum OperandKind
{
    Name,
    Integer,
    Float,
    Vector,
    Address,
    Pair,
    List,
    Sink,
}

/// <summary>An operand as written: children are a vector's or a list's parts, an address's base and what follows it.</summary>
internal sealed record PtxOperand(OperandKind Kind, int Line, int Column)
{
    public string Name { get; init; } = "";

    public ulong Bits { get; init; }

    public bool Negated { get; init; }

    public long Offset { get; init; }

    public IReadOnlyList<PtxOperand> Parts { get; init; } = [];

    /// <summary>Written as <c>generic(name)</c>: the symbol's generic address, not its place in its state space.</summary>
    public bool Generic { get; init; }
}

/// <summary>An instruction: opcode and modifiers without dots, operands, its guard and the scope its names belong to.</summary>
internal sealed record PtxInstruction(IReadOnlyList<string> Opcode, IReadOnlyList<PtxOperand> Operands, PtxOperand? Guard, PtxScope Scope, int Line, int Column)
{
    public string Text => string.Join('.', Opcode);
}

internal abstract record PtxSymbol(string Name);

/// <summary>A register, or a vector of <see cref="Lanes"/> registers of the type.</summary>
internal sealed record RegisterSymbol(string Name, string Type) : PtxSymbol(Name)
{
    public int Lanes { get; init; } = 1;
}

/// <summary>A variable in a state space; <see cref="Offset"/> is its place in the frame, among the parameters or in shared memory.</summary>
internal sealed record VariableSymbol(string Name, string Space, string Type, int Align, long Size) : PtxSymbol(Name)
{
    public long Offset { get; set; }

    /// <summary>A parameter of an entry: it lies in constant memory instead of the thread's frame.</summary>
    public bool OfEntry { get; set; }

    public IReadOnlyList<PtxOperand>? Initial { get; init; }
}

internal sealed record LabelSymbol(string Name, int Target) : PtxSymbol(Name);

internal sealed record TargetsSymbol(string Name, IReadOnlyList<string> Labels) : PtxSymbol(Name);

internal sealed record PrototypeSymbol(string Name) : PtxSymbol(Name);

/// <summary>A function or an entry.</summary>
internal sealed record FunctionSymbol(string Name, bool IsEntry) : PtxSymbol(Name)
{
    public List<VariableSymbol> Returns { get; } = [];

    public List<VariableSymbol> Parameters { get; } = [];

    /// <summary>Returns in order: variables in parameter space and registers.</summary>
    public List<PtxSymbol> Results { get; } = [];

    /// <summary>Parameters in order: variables in parameter space and registers.</summary>
    public List<PtxSymbol> Arguments { get; } = [];

    /// <summary>Directives after the parameter list with their numbers: reqntid, maxntid, minnctapersm, maxnreg, reqnctapercluster and so on.</summary>
    public Dictionary<string, IReadOnlyList<int>> Directives { get; } = new(StringComparer.Ordinal);

    public List<PtxInstruction> Body { get; } = [];

    public bool Defined { get; set; }

    /// <summary>Where its name stands.</summary>
    public int Line { get; init; }

    public int Column { get; init; }

    /// <summary>Bytes of its parameters, call arguments and local variables.</summary>
    public long FrameSize { get; set; }

    /// <summary>Bytes of an entry's parameters.</summary>
    public long ParameterSize { get; set; }
}
