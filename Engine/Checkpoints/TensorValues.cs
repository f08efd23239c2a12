using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>Compares tensors without copying them: an embedding has gigabytes.</summary>
internal static unsafe class TensorValues
{
    /// <summary>Whether two tensors of F32, BF16 or F16 have the same shape and the same values, whatever their types.</summary>
    public static bool Equal(SafeTensorsFile firstFile, TensorInfo first, SafeTensorsFile secondFile, TensorInfo second)
    {
        if (!first.Shape.SequenceEqual(second.Shape) || !IsPlain(first.DType) || !IsPlain(second.DType))
        {
            return false;
        }
        byte* a = (byte*)firstFile.Address(first), b = (byte*)secondFile.Address(second);
        if (first.DType == second.DType)
        {
            return SameBytes(a, b, first.Bytes);
        }
        for (long i = 0; i < first.Elements; i++)
        {
            if (Value(a, first.DType, i) != Value(b, second.DType, i))
            {
                return false;
            }
        }
        return true;
    }

    private static bool IsPlain(SafeTensorsType type) => type is SafeTensorsType.F32 or SafeTensorsType.BF16 or SafeTensorsType.F16;

    private static bool SameBytes(byte* a, byte* b, long bytes)
    {
        const int Piece = 1 << 30;
        for (long at = 0; at < bytes; at += Piece)
        {
            int count = (int)Math.Min(Piece, bytes - at);
            if (!new ReadOnlySpan<byte>(a + at, count).SequenceEqual(new ReadOnlySpan<byte>(b + at, count)))
            {
                return false;
            }
        }
        return true;
    }

    private static float Value(byte* data, SafeTensorsType type, long i) => type switch
    {
        SafeTensorsType.F32 => Unsafe.ReadUnaligned<float>(data + (4 * i)),
        SafeTensorsType.BF16 => Bf16.ToSingle(Unsafe.ReadUnaligned<ushort>(data + (2 * i))),
        _ => (float)Unsafe.ReadUnaligned<Half>(data + (2 * i)),
    };
}
