using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Products of operands rounded to bfloat16 by assembled BF16 dot products (<see cref="AssembledPairTile"/>), made at first use of
/// a shape and kept. Weights are rounded to 2⁻⁸, so that a polynomial of degree 3 suffices for them.
/// </summary>
internal readonly unsafe struct DotPairTile : IPairTile
{
    private static readonly Lock s_gate = new();

    // By Index; 0 where there is none yet.
    private static readonly nint[] s_codes = new nint[20 * PairTile.MaxRows * 16];

    // Keeps them alive.
    private static readonly List<ExecutableMemory> s_made = [];

    public static int OperandBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp2(Vector512<float> x) => VectorMath.Exp2Rough(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> low, Vector512<float> high, byte* to) => Bf16.FromSingle(low, high).Store((ushort*)to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(in PairShape shape, PairRun* runs, byte* x, float* y, long count, float* factors, long ahead)
    {
        nint code = s_codes[Index(shape)];
        if (code == 0)
        {
            code = Make(shape);
        }
        // Shorter than a microsecond: no collection has to wait for it.
        ((delegate* unmanaged[SuppressGCTransition]<PairRun*, byte*, float*, long, float*, long, void>)code)(runs, x, y, count, factors, ahead);
    }

    private static int Index(in PairShape shape) =>
        ((((((shape.IsScores ? 10 : 0) + (shape.Continues ? 5 : 0) + shape.Asks) * PairTile.MaxRows) + shape.Rows - 1) * 4 + shape.Vectors - 1) * 4) + shape.PanelVectors - 1;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nint Make(PairShape shape)
    {
        lock (s_gate)
        {
            ref nint code = ref s_codes[Index(shape)];
            if (code == 0)
            {
                ExecutableMemory made = NativeCode.Make(a => AssembledPairTile.Emit(a, shape));
                s_made.Add(made);
                Volatile.Write(ref code, made.Address);
            }
            return code;
        }
    }
}
