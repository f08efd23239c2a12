using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>The registers of <see cref="FeedForwardPtx"/>, with their meaning.</summary>
internal sealed class FeedForwardRegisters(KernelWriter k)
{
    public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

    public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp, 4g + t");

    public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block");

    public Reg<U32> G { get; } = k.Register<U32>("g", "row of weights modulo 8 of the lane's fragments");

    public Reg<U32> T { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

    public Reg<U32> Unit { get; } = k.Register<U32>("unit", "the block's outputs, by their number");

    public Reg<U32> Groups { get; } = k.Register<U32>("groups", "groups of 128 columns");

    public Reg<U32> Begin { get; } = k.Register<U32>("begin", "this warp's first group");

    public Reg<U32> Left { get; } = k.Register<U32>("left", "groups that this warp has still to do");

    public Reg<U32> Expert { get; } = k.Register<U32>("expert", "the row's expert; 0 for weights that have no choice");

    public Reg<U32> Work { get; } = k.Register<U32>("work", "temporary");

    public Reg<U32> More32 { get; } = k.Register<U32>("more_work", "temporary");

    public Reg<U64> Stride { get; } = k.Register<U64>("stride", "bytes to the auxiliary's next group");

    public Reg<GlobalAddress> Pointer { get; } = k.Register<GlobalAddress>("pointer", "temporary");

    public Reg<GlobalAddress>[] Codes { get; } = [.. Enumerable.Range(0, 2).Select(i => k.Register<GlobalAddress>($"codes{i}", $"next codes to copy, of tile {i}"))];

    public Reg<GlobalAddress> Scales { get; } = k.Register<GlobalAddress>("scale_pointer", "scales");

    public Reg<GlobalAddress> X { get; } = k.Register<GlobalAddress>("x_pointer", "the row's operand");

    public Reg<GlobalAddress> Auxiliary { get; } = k.Register<GlobalAddress>("auxiliary", "next small part to copy: scales, values, their sum");

    public Reg<CachePolicy> Policy { get; } = k.Register<CachePolicy>("policy", "weights are read once");

    public Reg<SharedAddress> Ring { get; } = k.Register<SharedAddress>("ring_base", "this warp's ring");

    public Reg<SharedAddress> Own { get; } = k.Register<SharedAddress>("own", "the ring, 16 bytes a lane; at the end the warp's sums");

    public Reg<SharedAddress> ByG { get; } = k.Register<SharedAddress>("by_g", "the ring, 16 bytes a g");

    public Reg<SharedAddress> ByT { get; } = k.Register<SharedAddress>("by_t", "the ring, 16 bytes a t");

    public Reg<Predicate> Shared { get; } = k.Register<Predicate>("shared", "the weights have no choice");

    public Reg<Predicate> Chosen { get; } = k.Register<Predicate>("chosen", "they are an expert's");

    public Reg<Predicate> More { get; } = k.Register<Predicate>("more", "there is a group to copy");

    public Reg<Predicate> Copies { get; } = k.Register<Predicate>("copies", "the lane copies a small part");

    public Reg<Predicate> Scaling { get; } = k.Register<Predicate>("scaling", "it is of the scales");

    public Reg<Predicate> Take { get; } = k.Register<Predicate>("take", "temporary");

    public Reg<Predicate> Last { get; } = k.Register<Predicate>("last", "temporary");

    public Vec4<U32>[] Word { get; } = [.. Enumerable.Range(0, 2).Select(tile => k.Quad<U32>($"word{tile}_", "codes of a tile"))];

    public Vec4<U32> Shift { get; } = k.Quad<U32>("shift", "a word moved by 4, 8 and 12");

    public Vec4<Bf16x2> Fragment { get; } = k.Quad<Bf16x2>("a", "fragment of weights, 24 + code");

    public Vec4<Bf16x2>[] Value { get; } = [.. Enumerable.Range(0, 2).Select(part => k.Quad<Bf16x2>($"b{part}_", "fragments of x: two blocks of 16 columns"))];

    public Vec4<F32>[] Part { get; } = [.. Enumerable.Range(0, 2).Select(tile => k.Quad<F32>($"part{tile}_", "sums of a group"))];

    public Reg<F32>[] Sum { get; } = [.. Enumerable.Range(0, 4).Select(i => k.Register<F32>($"sum{i}", $"sum, scaled, of row g{(i % 2 == 0 ? "" : " + 8")} of tile {i / 2}"))];

    public Vec4<F32> Scale { get; } = k.Quad<F32>("scale", "the rows' scales");

    public Vec4<F32> Offset { get; } = k.Quad<F32>("offset", "-24 times the sum of the group's values");

    public Reg<F32> Nothing { get; } = k.Register<F32>("nothing", "0");

    public Vec4<F32> Zero => new(Nothing, Nothing, Nothing, Nothing);

    public Reg<Bf16x2> Weight { get; } = k.Register<Bf16x2>("offset_weight", "-24, twice");
}
