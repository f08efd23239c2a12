using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A function's decoded code and the layout of its frame.</summary>
internal sealed class PtxFunction(FunctionSymbol symbol)
{
    public FunctionSymbol Symbol { get; } = symbol;

    public string Name => Symbol.Name;

    public Step[] Code { get; set; } = [];

    /// <summary>Registers of the parameters in order, null for those in parameter space.</summary>
    public IReadOnlyList<Slot?> ArgumentSlots { get; set; } = [];

    /// <summary>Registers of the results in order, null for those in parameter space.</summary>
    public IReadOnlyList<Slot?> ResultSlots { get; set; } = [];

    /// <summary>Bytes of the register file: registers, special registers and constants.</summary>
    public int FrameBytes { get; set; }

    /// <summary>Constants: offset, width and value, the same in all lanes.</summary>
    public List<(int Offset, int Bits, ulong Value)> Constants { get; } = [];

    /// <summary>Special registers in use: offset and name.</summary>
    public List<(int Offset, string Name)> Specials { get; } = [];

    /// <summary>Declared registers in use, in units of 32 bits.</summary>
    public int RegisterWords { get; set; }

    /// <summary>Smallest shared or generic access in bytes: the grain at which races are looked for.</summary>
    public int Grain { get; set; } = 4;

    public bool HasCalls { get; set; }
}
