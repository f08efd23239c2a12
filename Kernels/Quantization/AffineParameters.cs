using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Scales and offsets of a group of a panel as float32, a lane per row.</summary>
internal static unsafe class AffineParameters
{
    private const int Rows = AffineLayout.PanelRows;
    private const float Exponent112 = 5.192296858534828e33f; // 2¹¹²

    /// <summary>Fills 32 values of d and 32 of −d' for the two-level scales of a slab.</summary>
    public static void ReadSupers(in AffineLayout layout, byte* slab, float* supers)
    {
        if (layout.Scale < ScaleKind.TwoLevel)
        {
            return;
        }
        for (int lane = 0; lane < Rows; lane += Vector512<float>.Count)
        {
            Halves((ushort*)slab + lane).Store(supers + lane);
            if (layout.Offset == OffsetKind.TwoLevel)
            {
                (-Halves((ushort*)slab + Rows + lane)).Store(supers + Rows + lane);
            }
        }
    }

    /// <summary>Fills 32 scales and 32 offsets of a group; without an offset those are −0.</summary>
    public static void Read(in AffineLayout layout, byte* slab, int group, float* supers, float* scales, float* offsets)
    {
        byte* scale = slab + layout.ScalesAt + group * Rows * layout.ScaleBytes, offset = slab + layout.OffsetsAt + group * Rows * layout.OffsetBytes;
        switch (layout.Scale)
        {
            case ScaleKind.TwoLevel:
                for (int lane = 0; lane < Rows; lane += Vector512<float>.Count)
                {
                    Vector512<int> own = (Bytes(scale + lane) << 24).AsInt32() >> 24;
                    (Vector512.Load(supers + lane) * Vector512.ConvertToSingle(own)).Store(scales + lane);
                }
                break;
            case ScaleKind.Nibbles:
                for (int lane = 0; lane < Rows; lane += Vector512<float>.Count)
                {
                    Vector512<uint> both = Bytes(scale + lane);
                    (Vector512.Load(supers + lane) * Vector512.ConvertToSingle((both & Vector512.Create(15u)).AsInt32())).Store(scales + lane);
                    (Vector512.Load(supers + Rows + lane) * Vector512.ConvertToSingle((both >>> 4).AsInt32())).Store(offsets + lane);
                }
                return;
            default:
                Numbers(layout.Scale, scale, scales);
                break;
        }
        switch (layout.Offset)
        {
            case OffsetKind.Added:
                Numbers(layout.Scale, offset, offsets);
                break;
            case OffsetKind.None:
                Vector512.Create(-0f).Store(offsets);
                Vector512.Create(-0f).Store(offsets + Vector512<float>.Count);
                break;
            default:
                for (int lane = 0; lane < Rows; lane += Vector512<float>.Count)
                {
                    Vector512<float> own = Vector512.ConvertToSingle(Bytes(offset + lane).AsInt32());
                    (layout.Offset == OffsetKind.Zero ? own : own * Vector512.Load(supers + Rows + lane)).Store(offsets + lane);
                }
                break;
        }
    }

    private static void Numbers(ScaleKind kind, byte* numbers, float* to)
    {
        for (int lane = 0; lane < Rows; lane += Vector512<float>.Count)
        {
            (kind switch
            {
                ScaleKind.F32 => Vector512.Load((float*)numbers + lane),
                ScaleKind.F16 => Halves((ushort*)numbers + lane),
                ScaleKind.BF16 => (Words((ushort*)numbers + lane) << 16).AsSingle(),
                _ => Powers(Bytes(numbers + lane)),
            }).Store(to + lane);
        }
    }

    /// <summary>2^(e − 128).</summary>
    private static Vector512<float> Powers(Vector512<uint> exponents) => Vector512.ConditionalSelect(
        Vector512.LessThan(exponents, Vector512.Create(2u)),
        Vector512.Create(0x0020_0000u) + exponents * Vector512.Create(0x0020_0000u),
        (exponents - Vector512<uint>.One) << 23).AsSingle();

    /// <summary>The float32 of half bits: they lack 112 in the exponent, subnormals included, but for infinities and NaN.</summary>
    private static Vector512<float> Halves(ushort* from)
    {
        Vector512<uint> bits = Words(from), magnitude = (bits & Vector512.Create(0x7fffu)) << 13;
        Vector512<uint> value = ((magnitude.AsSingle() * Vector512.Create(Exponent112)).AsUInt32());
        value = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0x7c00u << 13)), magnitude | Vector512.Create(0x7f80_0000u), value);
        return (value | (bits & Vector512.Create(0x8000u)) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Words(ushort* from)
    {
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(from));
        return Vector512.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Bytes(byte* from) => QuantisedProduct.Widen(from);
}
