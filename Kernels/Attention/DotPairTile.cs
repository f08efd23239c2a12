using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Products of operands rounded to bfloat16 by assembled BF16 dot products (<see cref="AssembledPairTile"/>), and the softmax
/// between them (<see cref="AssembledPairSoftmax"/>), made at first use of a shape and kept.
/// </summary>
internal readonly unsafe struct DotPairTile : IPairTile
{
    private static readonly Lock s_gate = new();

    // By Index; 0 where there is none yet.
    private static readonly nint[] s_products = new nint[20 * PairTile.MaxRows * 16], s_softmaxes = new nint[PairTile.MaxRows * 16];

    // Keeps them alive.
    private static readonly List<ExecutableMemory> s_made = [];

    public static int OperandBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> low, Vector512<float> high, byte* to) => Bf16.FromSingle(low, high).Store((ushort*)to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(in PairShape shape, PairRun* runs, byte* x, float* y, long count, float* factors, long ahead)
    {
        nint code = s_products[Index(shape)];
        if (code == 0)
        {
            PairShape made = shape;
            code = Make(ref s_products[Index(shape)], a => AssembledPairTile.Emit(a, made));
        }
        // Shorter than a microsecond: no collection has to wait for it.
        ((delegate* unmanaged[SuppressGCTransition]<PairRun*, byte*, float*, long, float*, long, void>)code)(runs, x, y, count, factors, ahead);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Weigh(PairUnit unit, int rows, int count, bool begins, float scale)
    {
        PairSoftmaxShape shape = new(rows, (count + 31) / 32, begins, count % 32 != 0);
        nint code = s_softmaxes[Index(shape)];
        if (code == 0)
        {
            PairSoftmaxShape made = shape;
            code = Make(ref s_softmaxes[Index(shape)], a => AssembledPairSoftmax.Emit(a, made));
        }
        float exponent = scale * -1.44269504f;
        ((delegate* unmanaged[SuppressGCTransition]<float*, float*, byte*, long, float*, void>)code)(unit.Maximum, unit.Scores, unit.Weights, count, &exponent);
    }

    private static int Index(in PairShape shape) =>
        ((((((shape.IsScores ? 10 : 0) + (shape.Continues ? 5 : 0) + shape.Asks) * PairTile.MaxRows) + shape.Rows - 1) * 4 + shape.Vectors - 1) * 4) + shape.PanelVectors - 1;

    private static int Index(in PairSoftmaxShape shape) => (((shape.Rows - 1) * 4 + shape.Pairs - 1) * 4) + (shape.Begins ? 2 : 0) + (shape.IsPartial ? 1 : 0);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nint Make(ref nint code, Action<Iced.Intel.Assembler> emit)
    {
        lock (s_gate)
        {
            if (code == 0)
            {
                ExecutableMemory made = NativeCode.Make(emit);
                s_made.Add(made);
                Volatile.Write(ref code, made.Address);
            }
            return code;
        }
    }
}
