using ILGPU;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What a group of a row makes of its codes: (code − Before) · Scale + After.</summary>
internal readonly record struct AffineGroup(float Before, float Scale, float After)
{
    /// <summary>The weights of four codes' values.</summary>
    public Float4 Weights(Float4 values) => new(
        (values.A - Before) * Scale + After, (values.B - Before) * Scale + After, (values.C - Before) * Scale + After, (values.D - Before) * Scale + After);
}

/// <summary>
/// A matrix of codes with scales and offsets of groups in panels of 32 rows, as the processor packs them for a device: slabs
/// <c>[halves d | halves d' | scales of groups | offsets of groups | words of codes]</c>, a lane per row. One description serves
/// every format: codes of 3, 5 and 6 bits are two planes of bits, all others one.
/// </summary>
internal readonly struct AffineRows : ITileRows
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 32;

    private const int HalfBytes = 2 * PanelRows;

    private readonly ArrayView<byte> _data;
    private readonly int _low, _high, _unitShift, _encoding, _scale, _offset, _scalesAt, _offsetsAt, _codesAt, _slabBytes;
    private readonly long _panelBytes;

    /// <param name="data">Panels.</param>
    /// <param name="format">Bits of a code, from bit 8 on its <see cref="WeightEncoding"/>, from 16 the <see cref="ScaleKind"/>, from 24 the <see cref="OffsetKind"/>.</param>
    /// <param name="group">Columns that share a scale.</param>
    /// <param name="slab">Columns of a slab.</param>
    /// <param name="offsetsAt">Bytes from a slab's start to its offsets.</param>
    /// <param name="codesAt">Bytes from a slab's start to its codes.</param>
    /// <param name="slabBytes">Bytes of a slab.</param>
    /// <param name="panelBytes">Bytes of a panel.</param>
    public AffineRows(ArrayView<byte> data, int format, int group, int slab, int offsetsAt, int codesAt, int slabBytes, long panelBytes)
    {
        int bits = format & 255;
        _data = data;
        _encoding = format >> 8 & 255;
        _scale = format >> 16 & 255;
        _offset = format >> 24;
        _low = bits == 3 ? 2 : bits == 5 || bits == 6 ? 4 : bits;
        _high = bits - _low;
        // A unit is as many columns as fill whole words: 4 of eight bits … 32 of three or five.
        _unitShift = bits == 8 ? 2 : bits == 4 ? 3 : bits == 3 || bits == 5 ? 5 : 4;
        _scalesAt = _scale < (int)ScaleKind.TwoLevel ? 0 : _offset == (int)OffsetKind.TwoLevel ? 2 * HalfBytes : HalfBytes;
        _offsetsAt = offsetsAt;
        _codesAt = codesAt;
        _slabBytes = slabBytes;
        _panelBytes = panelBytes;
        GroupColumns = group;
        SlabColumns = slab;
    }

    /// <summary>Columns that share a scale.</summary>
    public int GroupColumns { get; }

    /// <summary>Columns of a slab.</summary>
    public int SlabColumns { get; }

    /// <summary>Where a slab of a panel begins.</summary>
    public long Slab(long panel, int slab) => panel * _panelBytes + (long)slab * _slabBytes;

    /// <summary>Scale and offset of a group of a slab, for one row of the panel.</summary>
    public AffineGroup Group(long slabAt, int group, int lane)
    {
        int at = group * PanelRows + lane;
        float scale, before = 0f, after = -0f;
        if (_scale < (int)ScaleKind.Power)
        {
            scale = Number(slabAt + _scalesAt, at);
        }
        else
        {
            int own = _data[slabAt + _scalesAt + at];
            if (_scale == (int)ScaleKind.Power)
            {
                scale = ILGPU.Interop.IntAsFloat(own < 2 ? 0x0020_0000u << own : (uint)(own - 1) << 23);
            }
            else
            {
                bool nibbles = _scale == (int)ScaleKind.Nibbles;
                scale = Half(slabAt, lane) * (nibbles ? own & 15 : (sbyte)own);
                if (_offset == (int)OffsetKind.TwoLevel)
                {
                    int offset = nibbles ? own >> 4 : _data[slabAt + _offsetsAt + at];
                    after = -(Half(slabAt + HalfBytes, lane) * offset);
                }
            }
        }
        if (_encoding == (int)WeightEncoding.Integer)
        {
            before = 1 << (_low + _high - 1);
        }
        if (_offset == (int)OffsetKind.Zero)
        {
            before = _data[slabAt + _offsetsAt + at];
        }
        if (_offset == (int)OffsetKind.Added)
        {
            after = Number(slabAt + _offsetsAt, at);
        }
        return new AffineGroup(before, scale, after);
    }

    /// <summary>The values of four codes of a row from a column of a slab on that is a multiple of four.</summary>
    public Float4 Values(long slabAt, int column, int lane)
    {
        ArrayView<uint> words = _data.Cast<uint>();
        int unit = column >> _unitShift, inUnit = column & ((1 << _unitShift) - 1), unitWords = (_low + _high) << _unitShift >> 5;
        long at = (slabAt + _codesAt >> 2) + unit * unitWords * PanelRows + lane;
        int bit = inUnit * _low;
        uint low = words[at + (bit >> 5) * PanelRows] >> (bit & 31), mask = (1u << _low) - 1;
        uint a = low & mask, b = low >> _low & mask, c = low >> 2 * _low & mask, d = low >> 3 * _low & mask;
        if (_high > 0)
        {
            uint high = words[at + (unitWords - 1) * PanelRows] >> inUnit * _high, upper = (1u << _high) - 1;
            a |= (high & upper) << _low;
            b |= (high >> _high & upper) << _low;
            c |= (high >> 2 * _high & upper) << _low;
            d |= (high >> 3 * _high & upper) << _low;
        }
        if (_encoding == (int)WeightEncoding.E4M3)
        {
            return new Float4(DeviceMath.FromFp8((byte)a), DeviceMath.FromFp8((byte)b), DeviceMath.FromFp8((byte)c), DeviceMath.FromFp8((byte)d));
        }
        if (_encoding == (int)WeightEncoding.Iq4)
        {
            return Looked(a, b, c, d, 0xbfad_9881u, 0xf6ea_ddcfu, 0x2619_0d01u, 0x7159_4535u);
        }
        if (_encoding == (int)WeightEncoding.E2M1)
        {
            return Looked(a, b, c, d, 0x0302_0100u, 0x0c08_0604u, 0xfdfe_ff00u, 0xf4f8_fafcu);
        }
        return new Float4((int)a, (int)b, (int)c, (int)d);
    }

    /// <summary>Four weights of a row from a column on that is a multiple of four; those beyond the matrix are zero.</summary>
    public Float4 Weights(long row, int column, int inner)
    {
        int lane = (int)(row & (PanelRows - 1)), slab = column / SlabColumns, inSlab = column - slab * SlabColumns;
        long at = Slab(row / PanelRows, slab);
        Float4 quad = Group(at, inSlab / GroupColumns, lane).Weights(Values(at, inSlab, lane));
        return new Float4(quad.A, column + 1 < inner ? quad.B : 0f, column + 2 < inner ? quad.C : 0f, column + 3 < inner ? quad.D : 0f);
    }

    /// <inheritdoc/>
    public void Fill(ArrayView<Float4> tile, long row0, long endRow, int k0, int inner)
    {
        int side = ILGPU.Group.DimY, rows = 4 * side;
        for (int i = ILGPU.Group.IdxY * side + ILGPU.Group.IdxX; i < TileRows.Columns * side; i += side * side)
        {
            // Neighbours read neighbouring lanes.
            int row = i % rows, k = 4 * (i / rows);
            Float4 quad = default;
            if (row0 + row < endRow && k0 + k < inner)
            {
                quad = Weights(row0 + row, k0 + k, inner);
            }
            TileRows.Put(tile, k, row, quad);
        }
    }

    /// <inheritdoc/>
    public float RowScale(long row) => 1f;

    /// <summary>A scale or an offset that is a number by itself.</summary>
    private float Number(long at, int index)
    {
        if (_scale == (int)ScaleKind.F32)
        {
            return _data.Cast<float>()[(at >> 2) + index];
        }
        ushort bits = _data.Cast<ushort>()[(at >> 1) + index];
        return _scale == (int)ScaleKind.F16 ? DeviceMath.FromHalf(bits) : DeviceMath.FromBf16(bits);
    }

    private float Half(long at, int lane) => DeviceMath.FromHalf(_data.Cast<ushort>()[(at >> 1) + lane]);

    /// <summary>Values of a table of 16 signed bytes in four words.</summary>
    private static Float4 Looked(uint a, uint b, uint c, uint d, uint first, uint second, uint third, uint fourth) => new(
        Entry(a, first, second, third, fourth), Entry(b, first, second, third, fourth), Entry(c, first, second, third, fourth), Entry(d, first, second, third, fourth));

    private static float Entry(uint code, uint first, uint second, uint third, uint fourth)
    {
        uint word = code < 8 ? code < 4 ? first : second : code < 12 ? third : fourth;
        return (int)(word << (24 - 8 * (int)(code & 3))) >> 24;
    }
}
