using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <content>What a warp does with a group of 128 columns, and the registers.</content>
internal sealed partial class Int4MatVecPtx
{
    private void Group(int slot, int at, Label done)
    {
        _k.Comment($"slot {slot}");
        _k.WaitForCopies(_depth - 1);
        _k.WarpBarrier();
        int auxiliary = at + CodeBytes + _xBytes;
        _k.Load(_r.Scale, _r.ByG.At(auxiliary));
        Sums(auxiliary + Int4Tiles.ScaleBytes);
        for (int half = 0; half < 2; half++)
        {
            Tile(at, half);
        }
        // Results: rows g, g + 8 of the first tile, then of the second; columns 2t, 2t + 1 of each eight tokens.
        for (int tile = 0; tile < Tiles; tile++)
        {
            for (int n = 0; n < _columns; n++)
            {
                for (int c = 0; c < 4; c++)
                {
                    if (IsUsed(c))
                    {
                        Reg<F32> sum = _r.Sum[(tile * _columns) + n][c];
                        _k.MultiplyAdd(sum, _r.Part[(tile * _columns) + n][c], _r.Scale[(2 * tile) + (c / 2)], sum);
                    }
                }
            }
        }
        _k.Comment("the slot's next group");
        _k.Greater(_r.More, _r.Left, _depth);
        _k.WarpBarrier();
        CopyCodes(at);
        CopyRest(at);
        _k.CommitCopies();
        _k.Subtract(_r.Left, _r.Left, 1);
        _k.Equal(_r.Last, _r.Left, 0);
        _k.When(_r.Last, () => _k.BranchUniform(done));
    }

    /// <summary>−24 times the sums of the group's values: what the products begin with.</summary>
    private void Sums(int at)
    {
        if (_rows == 1)
        {
            _k.Load(_r.Offset[0].X, _r.Ring.At(at + Int4Operand.ValueBytes));
            return;
        }
        for (int n = 0; n < _columns; n++)
        {
            _k.Load(_r.Offset[n].X, _r.ByT.At(at + (n * MatrixFragments.N * 16)));
            _k.Load(_r.Offset[n].Y, _r.ByT.At(at + (n * MatrixFragments.N * 16) + 16));
        }
    }

    /// <summary>64 columns: four matrix instructions a tile of rows and eight tokens.</summary>
    private void Tile(int slot, int half)
    {
        for (int tile = 0; tile < Tiles; tile++)
        {
            _k.Load(_r.Word[tile], _r.Own.At(slot + (((tile * 2) + half) * Int4Tiles.TileBytes)));
        }
        for (int n = 0; n < _columns; n++)
        {
            for (int part = 0; part < 2; part++)
            {
                Address<SharedAddress> from = _rows == 1
                    ? _r.ByT.At(slot + CodeBytes + Int4Tiles.ScaleBytes + (((half * 2) + part) * Int4Operand.HalfBytes))
                    : _r.Own.At(slot + CodeBytes + (((n * 4) + (half * 2) + part) * 512));
                _k.Load(_r.Value[(2 * n) + part], from);
            }
        }
        for (int block = 0; block < 4; block++)
        {
            for (int tile = 0; tile < Tiles; tile++)
            {
                Int4TilesPtx.Decode(_k, _r.Word[tile][block], _r.Shift, _r.Fragment);
                for (int n = 0; n < _columns; n++)
                {
                    Vec4<F32> part = _r.Part[(tile * _columns) + n];
                    Vec2<F32> offset = _r.Offset[n];
                    Vec4<F32> c = half > 0 || block > 0 ? part
                        : _rows == 1 ? new(offset.X, offset.X, offset.X, offset.X)
                        : new(offset.X, offset.Y, offset.X, offset.Y);
                    Vec4<Bf16x2> b = _r.Value[(2 * n) + (block / 2)];
                    _k.MatrixMultiply(part, _r.Fragment, block % 2 == 0 ? new(b.X, b.Y) : new(b.Z, b.W), c);
                }
            }
        }
    }

    /// <summary>All registers, with their meaning.</summary>
    private sealed class Registers(KernelWriter k, int columns)
    {
        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp, 4g + t");

        public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block; at the end the row it adds up");

        public Reg<U32> G { get; } = k.Register<U32>("g", "row of weights modulo 8, and token, of the lane's fragments");

        public Reg<U32> T { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

        public Reg<U32> Unit { get; } = k.Register<U32>("unit", "unit of 32 outputs, of experts all together; at the end the lane's output");

        public Reg<U32> Inner { get; } = k.Register<U32>("inner_count", "columns of W");

        public Reg<U32> Outputs { get; } = k.Register<U32>("output_count", "rows of W");

        public Reg<U32> First { get; } = k.Register<U32>("first", "first row of x");

        public Reg<U32> Valid { get; } = k.Register<U32>("valid", "rows of x there are");

        public Reg<U32> Expert { get; } = k.Register<U32>("expert", "expert of the rows");

        public Reg<U32> Groups { get; } = k.Register<U32>("groups", "groups of 128 columns");

        public Reg<U32> Begin { get; } = k.Register<U32>("begin", "this warp's first group");

        public Reg<U32> Left { get; } = k.Register<U32>("left", "groups that this warp has still to do");

        public Reg<U32> Work { get; } = k.Register<U32>("work", "temporary");

        public Reg<U32> Row { get; } = k.Register<U32>("row", "row of x, temporary");

        public Reg<U32> RowBytes { get; } = k.Register<U32>("row_bytes", "bytes of a row of x; at the end of y");

        public Reg<U64> Stride { get; } = k.Register<U64>("stride", "bytes to the auxiliary's next group");

        public Reg<GlobalAddress> Pointer { get; } = k.Register<GlobalAddress>("pointer", "temporary");

        public Reg<GlobalAddress> Codes0 { get; } = k.Register<GlobalAddress>("codes0", "next codes to copy, first tile of rows");

        public Reg<GlobalAddress> Codes1 { get; } = k.Register<GlobalAddress>("codes1", "the same, second tile");

        public Reg<GlobalAddress> Scales { get; } = k.Register<GlobalAddress>("scale_pointer", "scales");

        public Reg<GlobalAddress> X { get; } = k.Register<GlobalAddress>("x_pointer", "x");

        public Reg<GlobalAddress> Y { get; } = k.Register<GlobalAddress>("y_pointer", "y");

        public Reg<GlobalAddress> Auxiliary { get; } = k.Register<GlobalAddress>("auxiliary", "next small part to copy: scales, sums, the values of a single row");

        public Reg<GlobalAddress>[] Values { get; } = [.. Enumerable.Range(0, columns).Select(n => k.Register<GlobalAddress>($"values{n}", $"next values to copy, tokens {8 * n} to {(8 * n) + 7}"))];

        public Reg<CachePolicy> Policy { get; } = k.Register<CachePolicy>("policy", "weights are read once");

        public Reg<SharedAddress> Ring { get; } = k.Register<SharedAddress>("ring_base", "this warp's ring");

        public Reg<SharedAddress> Own { get; } = k.Register<SharedAddress>("own", "the ring, 16 bytes a lane");

        public Reg<SharedAddress> ByG { get; } = k.Register<SharedAddress>("by_g", "the ring, 16 bytes a g");

        public Reg<SharedAddress> ByT { get; } = k.Register<SharedAddress>("by_t", "the ring, by t");

        public Reg<Predicate> More { get; } = k.Register<Predicate>("more", "there is a group to copy");

        public Reg<Predicate> Copies { get; } = k.Register<Predicate>("copies", "the lane copies a small part");

        public Reg<Predicate> Scaling { get; } = k.Register<Predicate>("scaling", "it is of the scales");

        public Reg<Predicate> Take { get; } = k.Register<Predicate>("take", "temporary");

        public Reg<Predicate> Last { get; } = k.Register<Predicate>("last", "temporary");

        public Vec4<U32>[] Word { get; } = [.. Enumerable.Range(0, Tiles).Select(tile => k.Quad<U32>($"word{tile}_", "codes of a tile"))];

        public Vec4<U32> Shift { get; } = k.Quad<U32>("shift", "a word moved by 4, 8 and 12");

        public Vec4<Bf16x2> Fragment { get; } = k.Quad<Bf16x2>("a", "fragment of weights, 24 + code");

        public Vec4<Bf16x2>[] Value { get; } = [.. Enumerable.Range(0, 2 * columns).Select(part => k.Quad<Bf16x2>($"b{part}_", "fragments of x: two blocks of 16 columns"))];

        public Vec4<F32>[] Part { get; } = [.. Enumerable.Range(0, Tiles * columns).Select(part => k.Quad<F32>($"part{part}_", "sums of a group"))];

        public Vec4<F32>[] Sum { get; } = [.. Enumerable.Range(0, Tiles * columns).Select(part => k.Quad<F32>($"sum{part}_", "sums, scaled"))];

        public Vec4<F32> Scale { get; } = k.Quad<F32>("scale", "scales of the rows g, g + 8, g + 16, g + 24");

        public Reg<F32> Bias { get; } = k.Register<F32>("bias_value", "the output's bias");

        public Vec2<F32>[] Offset { get; } = [.. Enumerable.Range(0, columns).Select(n => k.Pair<F32>($"offset{n}_", "-24 times the sums of the columns 2t, 2t + 1"))];
    }
}
