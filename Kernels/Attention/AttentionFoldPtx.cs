using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Writes the kernel that folds a head's ranges of keys and rounds the result to the int4 products' operand, of which a head is a group. A block's four warps
/// take every fourth range; all of them are asked for before the ranges' shares are known.
/// </summary>
internal sealed class AttentionFoldPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "attention_fold_int4";

    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    /// <summary>Most ranges of a row.</summary>
    public const int MostSplits = 2 * Lanes;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public const int SharedBytes = Warps * (MostSplits + SplitAttentionPtx.HeadDim) * sizeof(float);

    private const int Warps = 4;
    private const int Lanes = 32;
    private const int Batch = MostSplits / Warps / 2;
    private const float Log2E = 1.44269504f;

    private readonly KernelWriter _k;
    private readonly SharedRegion _shares, _parts;
    private readonly Reg<U32> _thread, _lane, _warp, _row, _vector, _work, _length;
    private readonly Reg<GlobalAddress> _pointer, _sums;
    private readonly Reg<SharedAddress> _place;
    private readonly Vec4<F32>[] _values;
    private readonly Vec4<F32> _sum;
    private readonly Vec2<F32>[] _stats;
    private readonly Reg<F32> _largest, _weight, _other;
    private readonly Reg<Predicate> _take;

    private AttentionFoldPtx(KernelWriter k)
    {
        _k = k;
        _shares = k.Shared("shares", Warps * MostSplits * sizeof(float), $"[{Warps}][{MostSplits}] f32: each warp's shares of the ranges");
        _parts = k.Shared("parts", Warps * SplitAttentionPtx.HeadDim * sizeof(float), $"[{Warps}][{SplitAttentionPtx.HeadDim}] f32: the warps' sums");
        _thread = k.Register<U32>("thread", "thread of the block");
        _lane = k.Register<U32>("lane", "thread of the warp, which has four columns");
        _warp = k.Register<U32>("warp", "warp of the block");
        _row = k.Register<U32>("row", "row");
        _vector = k.Register<U32>("vector", "row and head; then the head's first range");
        _length = k.Register<U32>("length", "keys of a range");
        _work = k.Register<U32>("work", "temporary");
        _pointer = k.Register<GlobalAddress>("pointer", "temporary");
        _sums = k.Register<GlobalAddress>("sums_pointer", "the lane's columns of the warp's first range");
        _place = k.Register<SharedAddress>("place", "temporary");
        _values = [.. Enumerable.Range(0, Batch).Select(i => k.Quad<F32>($"v{i}_", "columns of a range"))];
        _sum = k.Quad<F32>("sum", "the columns");
        _stats = [k.Pair<F32>("stat0_", "largest score and weight of the lane's range"), k.Pair<F32>("stat1_", "of its second one")];
        _largest = k.Register<F32>("largest", "largest score of all ranges");
        _weight = k.Register<F32>("weight", "weight of all ranges");
        _other = k.Register<F32>("other", "temporary");
        _take = k.Register<Predicate>("take", "temporary");
    }

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, blocksPerProcessor: 8,
            $"operand = the fold of a head's ranges of keys, rounded to bf16 in the order of fragments; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by AttentionFoldPtx; docs/kernels/split-attention.md says why it is as it is.\n"
            + $"grid (rows, heads), block {Threads}");
        new AttentionFoldPtx(k).Body();
        return k;
    }

    private void Body()
    {
        Parameter<GlobalAddress> sums = _k.View("sums", "[rows][heads][splits][128] f32"), stats = _k.View("stats", "[rows][heads][splits][2] f32: largest score, weight");
        Parameter<GlobalAddress> positions = _k.View("positions", "[rows] s32: a row's last key; -1 for a row of no sequence"), operand = _k.View("operand", "[rows][heads][288] bytes: Int4Operand");
        Parameter<U32> heads = _k.Value("heads", "heads"), splitKeys = _k.Value("split_keys", "fewest keys of a range"), maxSplits = _k.Value("max_splits", $"most ranges of a row, up to {MostSplits}");
        Label end = _k.NewLabel("END"), next = _k.NewLabel("DOUBLE"), sized = _k.NewLabel("SIZED"), folded = _k.NewLabel("FOLDED");
        _k.LaunchDependents();
        _k.ThreadIndex(_thread);
        _k.And(_lane, _thread, Lanes - 1);
        _k.ShiftRight(_warp, _thread, 5);
        _k.BlockX(_row);
        _k.BlockY(_vector);
        _k.Load(_work, heads);
        _k.MultiplyAdd(_vector, _row, _work, _vector);
        var group = new OperandGroupPtx(_k, _lane);
        group.Locate(operand, _vector);
        _k.WaitForPredecessor();
        _k.Comment("how many ranges the row has: as long as attention took them to be");
        Reg<U32> keys = _k.Register<U32>("keys", "keys of the row"), most = _k.Register<U32>("most", "most ranges of a row");
        _k.Load(_pointer, positions);
        _k.Advance(_pointer, _pointer, _row, sizeof(int));
        _k.Load(keys, _pointer);
        _k.Add(keys, keys, 1);
        _k.Equal(_take, keys, 0);
        _k.When(_take, () => _k.BranchUniform(end));
        _k.Load(_length, splitKeys);
        _k.Load(most, maxSplits);
        _k.Multiply(_vector, _vector, most);
        _k.Place(next);
        _k.Multiply(_work, _length, most);
        _k.Less(_take, _work, keys);
        _k.Unless(_take, () => _k.BranchUniform(sized));
        _k.ShiftLeft(_length, _length, 1);
        _k.BranchUniform(next);
        _k.Place(sized);
        _k.Comment("the first ranges' sums are asked for");
        _k.Load(_sums, sums);
        _k.Add(_work, _vector, _warp);
        _k.Advance(_sums, _sums, _work, SplitAttentionPtx.HeadDim * sizeof(float));
        _k.Advance(_sums, _sums, _lane, OperandGroupPtx.Values * sizeof(float));
        _k.Multiply(_work, _warp, _length);
        Load(keys, 0);
        Shares(stats, keys);
        for (int c = 0; c < OperandGroupPtx.Values; c++)
        {
            _k.Move(_sum[c], 0f);
        }
        Add(0);
        _k.Comment("and the others");
        _k.Multiply(_work, _length, Batch * Warps);
        _k.Less(_take, _work, keys);
        _k.Unless(_take, () => _k.BranchUniform(folded));
        _k.MultiplyAdd(_work, _warp, _length, _work);
        Load(keys, Batch);
        Add(Batch);
        _k.Place(folded);
        Finish(group, end);
        _k.Place(end);
        _k.Return();
    }

    /// <summary>Half of the warp's ranges; those that the row has not count as zero. The first range's first key is in the temporary.</summary>
    private void Load(Reg<U32> keys, int first)
    {
        for (int i = 0; i < Batch; i++)
        {
            for (int c = 0; c < OperandGroupPtx.Values; c++)
            {
                _k.Move(_values[i][c], 0f);
            }
            int at = (first + i) * Warps * SplitAttentionPtx.HeadDim * sizeof(float);
            _k.Less(_take, _work, keys);
            _k.When(_take, () => _k.Load(_values[i], _sums.At(at)));
            _k.MultiplyAdd(_work, _length, Warps, _work);
        }
    }

    /// <summary>Each range's share of the result: a lane two ranges, each warp for itself.</summary>
    private void Shares(Parameter<GlobalAddress> stats, Reg<U32> keys)
    {
        _k.Comment("each range's share");
        _k.Load(_pointer, stats);
        _k.Add(_work, _vector, _lane);
        _k.Advance(_pointer, _pointer, _work, 2 * sizeof(float));
        for (int half = 0; half < 2; half++)
        {
            _k.Move(_stats[half].X, float.MinValue);
            _k.Move(_stats[half].Y, 0f);
            _k.Add(_work, _lane, half * Lanes);
            _k.Multiply(_work, _work, _length);
            _k.Less(_take, _work, keys);
            _k.When(_take, () => _k.Load(_stats[half], _pointer.At(half * Lanes * 2 * sizeof(float))));
        }
        _k.Maximum(_largest, _stats[0].X, _stats[1].X);
        for (int distance = 16; distance > 0; distance /= 2)
        {
            _k.ShuffleXor(_other, _largest, distance);
            _k.Maximum(_largest, _largest, _other);
        }
        foreach (Vec2<F32> stat in _stats)
        {
            _k.Subtract(stat.X, stat.X, _largest);
            _k.Multiply(stat.X, stat.X, Log2E);
            _k.Exp2(stat.X, stat.X);
        }
        _k.Multiply(_weight, _stats[0].X, _stats[0].Y);
        _k.MultiplyAdd(_weight, _stats[1].X, _stats[1].Y, _weight);
        for (int distance = 16; distance > 0; distance /= 2)
        {
            _k.ShuffleXor(_other, _weight, distance);
            _k.Add(_weight, _weight, _other);
        }
        _k.SharedBase(_place);
        _k.Advance(_place, _place, _warp, MostSplits * sizeof(float));
        _k.Advance(_place, _place, _lane, sizeof(float));
        for (int half = 0; half < 2; half++)
        {
            _k.Divide(_stats[half].X, _stats[half].X, _weight);
            _k.Store(_place.At(_shares.Offset + (half * Lanes * sizeof(float))), _stats[half].X);
        }
        _k.WarpBarrier();
        _k.SharedBase(_place);
        _k.Advance(_place, _place, _warp, (MostSplits + 1) * sizeof(float));
    }

    private void Add(int first)
    {
        for (int i = 0; i < Batch; i++)
        {
            _k.Load(_other, _place.At(_shares.Offset + ((first + i) * Warps * sizeof(float))));
            for (int c = 0; c < OperandGroupPtx.Values; c++)
            {
                _k.MultiplyAdd(_sum[c], _values[i][c], _other, _sum[c]);
            }
        }
    }

    private void Finish(OperandGroupPtx group, Label end)
    {
        _k.Comment("the first warp adds up");
        _k.SharedBase(_place);
        _k.Advance(_place, _place, _thread, OperandGroupPtx.Values * sizeof(float));
        _k.Store(_place.At(_parts.Offset), _sum);
        _k.BlockBarrier();
        _k.NotEqual(_take, _warp, 0);
        _k.When(_take, () => _k.BranchUniform(end));
        for (int warp = 1; warp < Warps; warp++)
        {
            _k.Load(_values[0], _place.At(_parts.Offset + (warp * SplitAttentionPtx.HeadDim * sizeof(float))));
            for (int c = 0; c < OperandGroupPtx.Values; c++)
            {
                _k.Add(_sum[c], _sum[c], _values[0][c]);
            }
        }
        group.Store(_sum, 0);
    }
}
