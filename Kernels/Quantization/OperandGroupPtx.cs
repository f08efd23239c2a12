using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes groups of <see cref="Int4Operand"/>: a warp has a group's 128 values, a lane four beside each other.</summary>
/// <param name="k">Writes the kernel.</param>
/// <param name="lane">Thread of the warp.</param>
internal sealed class OperandGroupPtx(KernelWriter k, Reg<U32> lane)
{
    /// <summary>Values of a lane.</summary>
    public const int Values = 4;

    private readonly Reg<U32> _bits = k.Register<U32>("lane_bit", "temporary");
    private readonly Reg<GlobalAddress> _to = k.Register<GlobalAddress>("to", "the lane's part of the warp's group in the operand"), _sumTo = k.Register<GlobalAddress>("sum_pointer", "its copy of the group's sum");
    private readonly Vec4<F32> _part = k.Quad<F32>("widened", "rounded values");
    private readonly Vec2<Bf16x2> _rounded = k.Pair<Bf16x2>("rounded", "four values");
    private readonly Reg<F32> _sum = k.Register<F32>("group_sum", "the group's sum");
    private readonly Reg<Predicate> _take = k.Register<Predicate>("has_copy", "the lane has a copy of the sum to write");

    /// <summary>Finds the lane's places.</summary>
    /// <param name="operand">[rows][columns / 128][288] bytes</param>
    /// <param name="group">The warp's group, of all rows together.</param>
    public void Locate(Parameter<GlobalAddress> operand, Reg<U32> group)
    {
        k.Load(_to, operand);
        k.Advance(_to, _to, group, Int4Operand.GroupBytes);
        k.Advance(_sumTo, _to, lane, sizeof(float));
        for (int bit = 0; bit < 5; bit++)
        {
            // Every bit of the lane's number stands for a step of its own.
            k.And(_bits, lane, 1 << bit);
            k.Advance(_to, _to, _bits, Int4Operand.Place(Values << bit) >> bit);
        }
        k.Less(_take, lane, Int4Operand.SumBytes / sizeof(float));
    }

    /// <summary>Rounds and stores a group, with −24 times its sum. The whole warp takes part.</summary>
    /// <param name="values">The lane's values.</param>
    /// <param name="groups">Groups behind the one that was located.</param>
    public void Store(Vec4<F32> values, int groups)
    {
        int at = groups * Int4Operand.GroupBytes;
        k.Round(_rounded.X, values.X, values.Y);
        k.Round(_rounded.Y, values.Z, values.W);
        k.Store(_to.At(at), _rounded.X);
        k.Store(_to.At(at + Int4Operand.Place(2)), _rounded.Y);
        Widen(k, _part, _rounded);
        k.Add(_part.X, _part.X, _part.Y);
        k.Add(_part.Z, _part.Z, _part.W);
        k.Add(_sum, _part.X, _part.Z);
        for (int distance = 16; distance > 0; distance /= 2)
        {
            k.ShuffleXor(_part.X, _sum, distance);
            k.Add(_sum, _sum, _part.X);
        }
        k.Multiply(_sum, _sum, -Int4Tiles.Offset);
        k.When(_take, () => k.Store(_sumTo.At(at + Int4Operand.ValueBytes), _sum));
    }

    /// <summary>Two pairs as four float32.</summary>
    public static void Widen(KernelWriter k, Vec4<F32> d, Vec2<Bf16x2> pairs)
    {
        k.WidenLower(d.X, pairs.X);
        k.WidenUpper(d.Y, pairs.X);
        k.WidenLower(d.Z, pairs.Y);
        k.WidenUpper(d.W, pairs.Y);
    }
}
