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
}

/// <summary>An instruction: opcode and modifiers without dots, operands, its guard and the scope its names belong to.</summary>
internal sealed record PtxInstruction(IReadOnlyList<string> Opcode, IReadOnlyList<PtxOperand> Operands, PtxOperand? Guard, PtxScope Scope, int Line, int Column)
{
    public string Text => string.Join('.', Opcode);
}

internal abstract record PtxSymbol(string Name);

internal sealed record RegisterSymbol(string Name, string Type) : PtxSymbol(Name);

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

    public List<PtxInstruction> Body { get; } = [];

    public bool Defined { get; set; }

    /// <summary>Bytes of its parameters, call arguments and local variables.</summary>
    public long FrameSize { get; set; }

    /// <summary>Bytes of an entry's parameters.</summary>
    public long ParameterSize { get; set; }
}

/// <summary>Names that are visible together; inner ones hide outer ones.</summary>
internal sealed class PtxScope(PtxScope? parent)
{
    private readonly Dictionary<string, PtxSymbol> _symbols = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Type, int Count)> _families = new(StringComparer.Ordinal);

    public bool Add(PtxSymbol symbol) => _symbols.TryAdd(symbol.Name, symbol);

    public void Replace(PtxSymbol symbol) => _symbols[symbol.Name] = symbol;

    public bool AddFamily(string prefix, string type, int count) => _families.TryAdd(prefix, (type, count));

    public PtxSymbol? Find(string name)
    {
        for (PtxScope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._symbols.TryGetValue(name, out PtxSymbol? symbol) || scope.TryMember(name, out symbol))
            {
                return symbol;
            }
        }
        return null;
    }

    private PtxScope? Parent { get; } = parent;

    private bool TryMember(string name, out PtxSymbol? symbol)
    {
        symbol = null;
        string prefix = name.TrimEnd("0123456789".ToCharArray());
        if (!_families.TryGetValue(prefix, out (string Type, int Count) family) || !int.TryParse(name.AsSpan(prefix.Length), out int number) || number >= family.Count)
        {
            return false;
        }
        symbol = new RegisterSymbol(name, family.Type);
        _symbols.Add(name, symbol);
        return true;
    }
}
