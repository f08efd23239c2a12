using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// As <see cref="AssembledTile"/>, for the 16 registers of 256 bits that AVX2 has, twelve of them accumulators: 1 … 3 tokens × a panel
/// of 32 rows, or 4 … 6 tokens × 16 rows, half a panel, whose lines lie a line apart. Pairs of bfloat16 are widened in registers.
/// <code>
/// void tile(byte* panel, byte* x, long xStride, float* y, long steps)   // the stride in bytes
/// </code>
/// x holds the tokens' rows, float32; y is [tokens, 32] float32 and is added to: sums begin at what is there.
/// </summary>
internal sealed unsafe class NarrowTile : IDisposable
{
    public const int MaxTokens = 6;

    /// <summary>Tokens up to which a tile has a whole panel.</summary>
    public const int WholeTokens = 3;

    /// <summary>Bytes of a step.</summary>
    public const int StepBytes = 128;

    /// <summary>Steps that both halves of a panel take before the next ones: with the next ones they stay in the first-level cache.</summary>
    public const int ChunkSteps = 64;

    private const int VectorBytes = 32, LineBytes = 64, PrefetchBytes = 2048, FarChunks = 3;

    private readonly ExecutableMemory _code;

    /// <param name="tokens">1 … 6</param>
    /// <param name="widens">Whether the panel holds pairs of bfloat16, else it is float32.</param>
    public NarrowTile(int tokens, bool widens)
    {
        _code = NativeCode.Make(a => Emit(a, tokens, widens));
        Run = (delegate* unmanaged<byte*, byte*, long, float*, long, void>)_code.Address;
    }

    public delegate* unmanaged<byte*, byte*, long, float*, long, void> Run { get; }

    public void Dispose() => _code.Dispose();

    private static void Emit(Assembler a, int tokens, bool widens)
    {
        AssemblerRegister64 panel = rdi, x = rsi, stride = rdx, y = rcx, steps = r8, further = r9;
        int vectors = tokens <= WholeTokens ? 4 : 2, stepBytes = (widens ? 2 : 1) * sizeof(float);

        NativeCode.Enter(a);
        if (widens)
        {
            // There is no register left for the mask of the second column.
            a.sub(rsp, VectorBytes);
            a.mov(eax, unchecked((int)0xffff0000));
            a.vmovd(xmm15, eax);
            a.vpbroadcastd(ymm15, xmm15);
            a.vmovdqu(__ymmword_ptr[rsp], ymm15);
        }
        if (tokens > WholeTokens)
        {
            a.lea(further, __[stride + stride * 2]);
            a.add(further, x);
        }
        for (int i = 0; i < tokens * vectors; i++)
        {
            a.vmovups(NativeCode.Ymm[i], Output(i));
        }
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        for (int at = 0; at < vectors * VectorBytes; at += LineBytes)
        {
            a.prefetcht0(__byte_ptr[panel + at + (tokens <= WholeTokens ? PrefetchBytes : ChunkSteps * StepBytes)]);
            if (tokens > WholeTokens)
            {
                // Memory's latency is longer than the first-level cache has room for lines on their way.
                a.prefetcht1(__byte_ptr[panel + at + FarChunks * ChunkSteps * StepBytes]);
            }
        }
        for (int column = 0; column < (widens ? 2 : 1); column++)
        {
            if (vectors == 2)
            {
                Half(column);
            }
            else
            {
                Whole(column);
            }
        }
        a.add(panel, StepBytes);
        a.add(x, stepBytes);
        if (tokens > WholeTokens)
        {
            a.add(further, stepBytes);
        }
        a.dec(steps);
        a.jne(loop);
        for (int i = 0; i < tokens * vectors; i++)
        {
            a.vmovups(Output(i), NativeCode.Ymm[i]);
        }
        if (widens)
        {
            a.add(rsp, VectorBytes);
        }
        NativeCode.Leave(a);

        AssemblerMemoryOperand Output(int i) => __ymmword_ptr[y + (i / vectors * PackedMatrix.PanelRows * sizeof(float) + i % vectors * VectorBytes)];

        // Few tokens: their values stay in registers, weights come one vector after another.
        void Whole(int column)
        {
            for (int t = 0; t < tokens; t++)
            {
                a.vbroadcastss(NativeCode.Ymm[12 + t], Value(t, column));
            }
            for (int v = 0; v < vectors; v++)
            {
                Weights(ymm15, v, column);
                for (int t = 0; t < tokens; t++)
                {
                    a.vfmadd231ps(NativeCode.Ymm[t * vectors + v], ymm15, NativeCode.Ymm[12 + t]);
                }
            }
        }

        // More: weights stay in registers.
        void Half(int column)
        {
            Weights(ymm12, 0, column);
            Weights(ymm13, 1, column);
            for (int t = 0; t < tokens; t++)
            {
                AssemblerRegisterYMM value = NativeCode.Ymm[14 + t % 2];
                a.vbroadcastss(value, Value(t, column));
                a.vfmadd231ps(NativeCode.Ymm[t * vectors], ymm12, value);
                a.vfmadd231ps(NativeCode.Ymm[t * vectors + 1], ymm13, value);
            }
        }

        void Weights(AssemblerRegisterYMM to, int vector, int column)
        {
            a.vmovdqu(to, __ymmword_ptr[panel + VectorBytes * vector]);
            if (widens && column == 0)
            {
                a.vpslld(to, to, 16);
            }
            else if (widens)
            {
                a.vpand(to, to, __ymmword_ptr[rsp]);
            }
        }

        AssemblerMemoryOperand Value(int token, int column)
        {
            AssemblerRegister64 from = token < WholeTokens ? x : further;
            return (token % WholeTokens) switch
            {
                0 => __dword_ptr[from + column * sizeof(float)],
                1 => __dword_ptr[from + stride + column * sizeof(float)],
                _ => __dword_ptr[from + stride * 2 + column * sizeof(float)],
            };
        }
    }
}
