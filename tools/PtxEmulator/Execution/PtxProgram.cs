using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A loaded module: its functions, decoded when they are first needed, and its variables in device memory.</summary>
internal sealed unsafe class PtxProgram : IDisposable
{
    private readonly PtxModule _module;
    private readonly Dictionary<VariableSymbol, nint> _addresses = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, PtxFunction> _functions = [];
    private readonly List<PtxFunction> _handles = [];
    private readonly Dictionary<string, PtxKernel> _kernels = [];

    private PtxProgram(PtxModule module, GlobalMemory memory)
    {
        _module = module;
        Memory = memory;
        foreach (FunctionSymbol symbol in module.Functions.Where(symbol => symbol.Defined))
        {
            var function = new PtxFunction(symbol);
            _functions.Add(symbol.Name, function);
            _handles.Add(function);
            if (symbol.IsEntry)
            {
                _kernels.Add(symbol.Name, new PtxKernel(this, function));
            }
        }
    }

    public GlobalMemory Memory { get; }

    /// <summary>Where dynamic shared memory begins: behind the static variables.</summary>
    public int DynamicSharedOffset => (int)((_module.SharedSize + 15) / 16 * 16);

    internal Lock Gate { get; } = new();

    internal IEnumerable<PtxFunction> Callable => _handles.Where(function => !function.Symbol.IsEntry);

    /// <exception cref="PtxSyntaxException">An initialiser names something that is not there.</exception>
    public static PtxProgram Load(PtxModule module, GlobalMemory memory)
    {
        var program = new PtxProgram(module, memory);
        foreach (VariableSymbol variable in module.Variables)
        {
            nint address = memory.Allocate(variable.Size);
            program._addresses.Add(variable, address);
            new Span<byte>((void*)address, (int)variable.Size).Clear();
            memory.MarkDefined(address, variable.Size);
        }
        foreach (VariableSymbol variable in module.Variables)
        {
            program.Initialise(variable);
        }
        return program;
    }

    /// <summary>The kernel of a name, or null. Its instructions are decoded when it is first launched.</summary>
    public PtxKernel? Kernel(string name) => _kernels.GetValueOrDefault(name);

    public bool TryVariable(string name, out nint address, out long bytes)
    {
        VariableSymbol? variable = _module.Variables.FirstOrDefault(variable => variable.Name == name);
        (address, bytes) = variable is null ? (0, 0) : (_addresses[variable], variable.Size);
        return variable is not null;
    }

    public nint AddressOf(VariableSymbol variable) => _addresses[variable];

    /// <summary>Whether an address is inside a variable of the module's constant memory.</summary>
    public bool IsConstant(nint address) =>
        _module.Variables.Any(variable => variable.Space == "const" && address >= _addresses[variable] && address - _addresses[variable] < variable.Size);

    /// <summary>The function that a symbol stands for, or null if the module has only its declaration.</summary>
    public PtxFunction? Function(FunctionSymbol symbol) => _functions.GetValueOrDefault(symbol.Name);

    /// <summary>The value of a function's address.</summary>
    public ulong Handle(FunctionSymbol symbol)
    {
        int index = _handles.FindIndex(function => function.Name == symbol.Name);
        return index < 0 ? 0 : Windows.Code + ((ulong)index * 16);
    }

    public PtxFunction? FunctionAt(ulong handle)
    {
        ulong index = (handle - Windows.Code) / 16;
        return handle >= Windows.Code && handle % 16 == 0 && index < (ulong)_handles.Count ? _handles[(int)index] : null;
    }

    public void Dispose()
    {
        foreach (nint address in _addresses.Values)
        {
            Memory.Free(address);
        }
        _addresses.Clear();
    }

    private void Initialise(VariableSymbol variable)
    {
        if (variable.Initial is not IReadOnlyList<PtxOperand> values)
        {
            return;
        }
        int bytes = PtxTypes.Bytes(variable.Type);
        if ((long)values.Count * bytes > variable.Size)
        {
            throw new PtxSyntaxException($"'{variable.Name}' has {values.Count} initial values and room for {variable.Size / bytes}.", values[0].Line, values[0].Column);
        }
        var target = (byte*)_addresses[variable];
        for (int i = 0; i < values.Count; i++)
        {
            ulong value = Value(values[i], variable);
            Buffer.MemoryCopy(&value, target + (i * bytes), bytes, bytes);
        }
    }

    private ulong Value(PtxOperand operand, VariableSymbol variable) => operand.Kind switch
    {
        OperandKind.Integer => operand.Bits,
        OperandKind.Float when variable.Type == "f32" => PtxTypes.ToSingle(operand.Bits),
        OperandKind.Float => operand.Bits,
        _ => _module.Scope.Find(operand.Name) switch
        {
            FunctionSymbol function => Handle(function),
            VariableSymbol { Space: "global" or "const" } other => (ulong)_addresses[other] + (ulong)operand.Offset,
            VariableSymbol { Space: "shared" } shared => (ulong)shared.Offset + (ulong)operand.Offset,
            _ => throw new PtxSyntaxException($"Unknown symbol '{operand.Name}'.", operand.Line, operand.Column),
        },
    };
}
