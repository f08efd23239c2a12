using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>An entry, ready to launch.</summary>
internal sealed class PtxKernel(PtxProgram program, PtxFunction function)
{
    /// <summary>Stack for calls beyond the frames of all functions: recursion.</summary>
    private const int RecursionBytes = 16 * 1024;
    private bool _decoded;

    public string Name => function.Name;

    public PtxProgram Program => program;

    public PtxFunction Function => function;

    /// <summary>Offset and size of each parameter in the parameter block, in order.</summary>
    public IReadOnlyList<(int Offset, int Bytes)> Parameters { get; } =
        [.. function.Symbol.Parameters.Select(parameter => ((int)parameter.Offset, (int)parameter.Size))];

    public int ParameterBytes => (int)function.Symbol.ParameterSize;

    /// <summary>Bytes of static shared memory.</summary>
    public int SharedBytes => program.DynamicSharedOffset;

    /// <summary>Bytes of the thread's local frame.</summary>
    public int LocalBytes => (int)function.Symbol.FrameSize;

    /// <summary>Bytes of a thread's stack.</summary>
    public int StackBytes { get; private set; }

    /// <summary>Declared registers in use, in units of 32 bits: an upper bound of what an assembler would take.</summary>
    public int Registers
    {
        get
        {
            Decode();
            return function.RegisterWords;
        }
    }

    /// <summary>Threads of .reqntid or .maxntid, or 1024.</summary>
    public int MaxThreads =>
        (function.Symbol.Directives.GetValueOrDefault("reqntid") ?? function.Symbol.Directives.GetValueOrDefault("maxntid")) is IReadOnlyList<int> extents
            ? extents.Aggregate(1, (product, extent) => product * extent)
            : 1024;

    public bool RequiresCluster => function.Symbol.Directives.ContainsKey("reqnctapercluster") || function.Symbol.Directives.ContainsKey("explicitcluster");

    /// <summary>Smallest access to shared memory in bytes.</summary>
    public int Grain { get; private set; } = 4;

    /// <summary>Decodes the kernel and what it may call.</summary>
    /// <exception cref="PtxNotImplementedException">An instruction is not executed.</exception>
    /// <exception cref="PtxSyntaxException">An operand names something that is not there or does not fit.</exception>
    public void Decode()
    {
        lock (program.Gate)
        {
            if (_decoded)
            {
                return;
            }
            Decode(function);
            Grain = function.Grain;
            StackBytes = (int)function.Symbol.FrameSize;
            if (function.HasCalls)
            {
                foreach (PtxFunction callee in program.Callable)
                {
                    Decode(callee);
                    Grain = Math.Min(Grain, callee.Grain);
                    StackBytes += (int)callee.Symbol.FrameSize + 16;
                }
                StackBytes += RecursionBytes;
            }
            StackBytes = (StackBytes + 15) / 16 * 16;
            _decoded = true;
        }
    }

    private void Decode(PtxFunction part)
    {
        if (part.Code.Length == 0)
        {
            new Decoder(program, part).Decode();
        }
    }
}
