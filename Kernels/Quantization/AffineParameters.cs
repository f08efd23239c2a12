using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Scales and offsets of a group of a panel as float32, a lane per row.</summary>
internal static unsafe class AffineParameters
{
    private const int Rows = AffineLayout.PanelRows;
    private const float SmallestHalf = 5.9604644775390625e-8f; // 2⁻²⁴

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

    /// <summary>Fills 32 offsets of several groups that have none: −0, which changes nothing.</summary>
    public static void NoOffsets(float* offsets, int groups, int stride)
    {
        for (int i = 0; i < groups; i++, offsets += stride)
        {
            Vector512.Create(-0f).Store(offsets);
            Vector512.Create(-0f).Store(offsets + Vector512<float>.Count);
        }
    }

    /// <summary>Fills 32 scales and, in formats that have them, 32 offsets of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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
            case OffsetKind.None:
                break;
            case OffsetKind.Added:
                Numbers(layout.Scale, offset, offsets);
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

    /// <summary>The integers of two-level offsets of two groups of a slab for 32 rows: those of the second in the upper halves.</summary>
    public static void ReadPairs(in AffineLayout layout, byte* slab, int group, uint* pairs)
    {
        bool areNibbles = layout.Scale == ScaleKind.Nibbles;
        byte* first = slab + (areNibbles ? layout.ScalesAt : layout.OffsetsAt) + group * Rows;
        for (int lane = 0; lane < Rows; lane += Vector512<uint>.Count)
        {
            Vector512<uint> low = Bytes(first + lane), high = Bytes(first + Rows + lane);
            (areNibbles ? low >>> 4 | high >>> 4 << 16 : low | high << 16).Store(pairs + lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Numbers(ScaleKind kind, byte* numbers, float* to)
    {
        const int Lanes = 16;
        switch (kind)
        {
            case ScaleKind.F32:
                Vector512.Load((float*)numbers).Store(to);
                Vector512.Load((float*)numbers + Lanes).Store(to + Lanes);
                break;
            case ScaleKind.F16:
                Halves((ushort*)numbers).Store(to);
                Halves((ushort*)numbers + Lanes).Store(to + Lanes);
                break;
            case ScaleKind.BF16:
                (Words((ushort*)numbers) << 16).AsSingle().Store(to);
                (Words((ushort*)numbers + Lanes) << 16).AsSingle().Store(to + Lanes);
                break;
            default:
                Powers(Bytes(numbers)).Store(to);
                Powers(Bytes(numbers + Lanes)).Store(to + Lanes);
                break;
        }
    }

    /// <summary>2^(e − 128).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Powers(Vector512<uint> exponents) => Vector512.ConditionalSelect(
        Vector512.LessThan(exponents, Vector512.Create(2u)),
        Vector512.Create(0x0020_0000u) + exponents * Vector512.Create(0x0020_0000u),
        (exponents - Vector512<uint>.One) << 23).AsSingle();

    /// <summary>The float32 of half bits, without a step through subnormal float32, at which processors stumble.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Halves(ushort* from)
    {
        Vector512<uint> bits = Words(from), magnitude = bits & Vector512.Create(0x7fffu), wide = magnitude << 13;
        Vector512<uint> small = (Vector512.ConvertToSingle(magnitude.AsInt32()) * Vector512.Create(SmallestHalf)).AsUInt32();
        Vector512<uint> value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(0x400u)), small, wide + Vector512.Create(112u << 23));
        value = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0x7c00u)), wide | Vector512.Create(0x7f80_0000u), value);
        return (value | (bits & Vector512.Create(0x8000u)) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Words(ushort* from)
    {
        if (Avx512F.IsSupported)
        {
            return Avx512F.ConvertToVector512UInt32(Vector256.Load(from));
        }
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(from));
        return Vector512.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Bytes(byte* from) => QuantisedProduct.Widen(from);
}
