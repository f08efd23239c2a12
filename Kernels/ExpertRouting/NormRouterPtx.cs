using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Writes the kernel that normalises rows of float32, makes of them the int4 products' operand and multiplies them, not rounded, by a router's
/// weights. Each block of a row normalises it for itself: that takes less than a launch. The first one writes the operand, each gives four logits.
/// </summary>
internal static class NormRouterPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "norm_router_int4";

    /// <summary>Threads of a block.</summary>
    public const int Threads = NormedRowPtx.Threads;

    /// <summary>Experts of a block.</summary>
    public const int Experts = 4;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public const int SharedBytes = NormedRowPtx.Warps * (1 + Experts) * sizeof(float);

    /// <summary>Blocks of a row.</summary>
    public static int Blocks(int experts) => Math.Max(1, (experts + Experts - 1) / Experts);

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, blocksPerProcessor: 1,
            $"operand = x / sqrt(mean(x^2) + eps) * weight, rounded to bf16 in the order of fragments, and logits = that, not rounded, times router^T; up to {NormedRowPtx.MostColumns} columns; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by NormRouterPtx; docs/kernels/feed-forward.md says why it is as it is.\n"
            + $"grid (experts / {Experts}, or 1 without, rows), block {Threads}");
        Parameter<GlobalAddress> x = k.View("x", "[rows][columns] f32"), weight = k.View("weight", "[columns] f32");
        Parameter<GlobalAddress> router = k.View("router", "[experts][columns] bf16, or empty");
        Parameter<GlobalAddress> operand = k.View("operand", "[rows][columns / 128][288] bytes: Int4Operand"), logits = k.View("logits", "[rows][experts] f32, or empty");
        Parameter<U32> columns = k.Value("columns", $"a multiple of {Int4Tiles.GroupColumns}"), experts = k.Value("experts", "rows of the router, or 0");
        Parameter<F32> epsilon = k.Number("eps", "added to the mean");
        var row = new NormedRowPtx(k);
        SharedRegion dots = k.Shared("dots", NormedRowPtx.Warps * Experts * sizeof(float), $"[{NormedRowPtx.Warps}][{Experts}] f32: the warps' parts of the logits");
        new Body(k, row, dots).Write((x, weight, router, operand, logits), columns, experts, epsilon);
        return k;
    }

    private sealed class Body(KernelWriter k, NormedRowPtx row, SharedRegion dots)
    {
        private readonly Reg<U32> _lane = k.Register<U32>("lane", "thread of the warp"), _warp = k.Register<U32>("warp", "warp of the block");
        private readonly Reg<U32> _expert = k.Register<U32>("expert", "first of the block's experts; at the end the thread's"), _count = k.Register<U32>("expert_count", "rows of the router");
        private readonly Reg<U32> _token = k.Register<U32>("token", "row of x"), _bits = k.Register<U32>("bits", "temporary"), _step = k.Register<U32>("step", "temporary");
        private readonly Reg<GlobalAddress>[] _of = [.. Enumerable.Range(0, Experts).Select(e => k.Register<GlobalAddress>($"router{e}", "the thread's part of an expert's weights"))];
        private readonly Reg<GlobalAddress> _logit = k.Register<GlobalAddress>("logit_pointer", "the thread's logit");
        private readonly Vec2<Bf16x2>[] _weights = [.. Enumerable.Range(0, NormedRowPtx.Pieces * Experts).Select(i => k.Pair<Bf16x2>($"r{i / Experts}{i % Experts}_", "an expert's weights of a piece"))];
        private readonly Vec4<F32> _dot = k.Quad<F32>("dot", "the experts' products");
        private readonly Vec4<F32> _part = k.Quad<F32>("part", "temporary");
        private readonly Reg<F32> _total = k.Register<F32>("total", "a logit, or a part of it");
        private readonly Reg<SharedAddress> _at = k.Register<SharedAddress>("dot_place", "the warp's parts; then the thread's");
        private readonly Reg<Predicate> _routes = k.Register<Predicate>("routes", "the block has experts"), _take = k.Register<Predicate>("take", "temporary");

        public void Write((Parameter<GlobalAddress> X, Parameter<GlobalAddress> Weight, Parameter<GlobalAddress> Router, Parameter<GlobalAddress> Operand, Parameter<GlobalAddress> Logits) views, Parameter<U32> columns, Parameter<U32> experts, Parameter<F32> epsilon)
        {
            k.LaunchDependents();
            row.Locate(views.X, views.Weight, columns, epsilon, k.BlockY);
            k.And(_lane, row.Thread, 31);
            k.ShiftRight(_warp, row.Thread, 5);
            k.BlockY(_token);
            k.BlockX(_expert);
            k.Load(_count, experts);
            k.ShiftLeft(_expert, _expert, int.Log2(Experts));
            k.Less(_routes, _expert, _count);
            row.LoadWeights();
            LoadRouter(views.Router);
            k.WaitForPredecessor();
            row.LoadRow();
            for (int i = 0; i < NormedRowPtx.Pieces; i++)
            {
                row.Normalise(i);
            }
            Operand(views.Operand);
            Logits(views.Logits);
            k.Return();
        }

        /// <summary>The router's weights depend on no other grid.</summary>
        private void LoadRouter(Parameter<GlobalAddress> router)
        {
            k.Comment("the router's weights; experts beyond the last repeat it");
            for (int e = 0; e < Experts; e++)
            {
                k.Load(_of[e], router);
                k.Subtract(_bits, _count, 1);
                k.Add(_step, _expert, e);
                k.Minimum(_bits, _bits, _step);
                k.ShiftLeft(_step, row.Columns, 1);
                k.Advance(_of[e], _of[e], _bits, _step);
                k.Advance(_of[e], _of[e], row.Thread, NormedRowPtx.Vector * 2);
            }
            for (int i = 0; i < NormedRowPtx.Pieces; i++)
            {
                k.And(_take, _routes, row.Inside[i]);
                for (int e = 0; e < Experts; e++)
                {
                    k.When(_take, () => k.Load(_weights[(i * Experts) + e], _of[e].At(i * NormedRowPtx.FullColumns * 2)));
                }
            }
        }

        /// <summary>A warp's piece is a group of 128 columns, a lane's four of them.</summary>
        private void Operand(Parameter<GlobalAddress> operand)
        {
            Label done = k.NewLabel("LOGITS");
            k.Comment("the row's first block writes the operand: a warp a group");
            k.NotEqual(_take, _expert, 0);
            k.When(_take, () => k.BranchUniform(done));
            k.ShiftRight(_bits, row.Columns, 7);
            k.MultiplyAdd(_bits, _token, _bits, _warp);
            var group = new OperandGroupPtx(k, _lane);
            group.Locate(operand, _bits);
            for (int i = 0; i < NormedRowPtx.Pieces; i++)
            {
                k.Unless(row.Inside[i], () => k.BranchUniform(done));
                group.Store(row.Values[i], i * NormedRowPtx.Warps);
            }
            k.Place(done);
        }

        private void Logits(Parameter<GlobalAddress> logits)
        {
            Label sums = k.NewLabel("SUMS"), end = k.NewLabel("END");
            k.Unless(_routes, () => k.BranchUniform(end));
            k.Comment("products with the router: a thread's, the warp's, the block's");
            for (int e = 0; e < Experts; e++)
            {
                k.Move(_dot[e], 0f);
            }
            for (int i = 0; i < NormedRowPtx.Pieces; i++)
            {
                k.Unless(row.Inside[i], () => k.BranchUniform(sums));
                for (int e = 0; e < Experts; e++)
                {
                    OperandGroupPtx.Widen(k, _part, _weights[(i * Experts) + e]);
                    for (int c = 0; c < NormedRowPtx.Vector; c++)
                    {
                        k.MultiplyAdd(_dot[e], _part[c], row.Values[i][c], _dot[e]);
                    }
                }
            }
            k.Place(sums);
            for (int e = 0; e < Experts; e++)
            {
                for (int distance = 16; distance > 0; distance /= 2)
                {
                    k.ShuffleXor(_total, _dot[e], distance);
                    k.Add(_dot[e], _dot[e], _total);
                }
            }
            k.SharedBase(_at);
            k.Advance(_at, _at, _warp, Experts * sizeof(float));
            k.Equal(_take, _lane, 0);
            k.When(_take, () => k.Store(_at.At(dots.Offset), _dot));
            k.BlockBarrier();
            k.Comment("a thread a logit");
            k.Add(_expert, _expert, row.Thread);
            k.Less(_take, row.Thread, Experts);
            k.Less(_routes, _expert, _count);
            k.And(_take, _take, _routes);
            k.SharedBase(_at);
            k.And(_bits, row.Thread, Experts - 1);
            k.Advance(_at, _at, _bits, sizeof(float));
            k.Load(_total, _at.At(dots.Offset));
            for (int warp = 1; warp < NormedRowPtx.Warps; warp++)
            {
                k.Load(_part.X, _at.At(dots.Offset + (warp * Experts * sizeof(float))));
                k.Add(_total, _total, _part.X);
            }
            k.Load(_logit, logits);
            k.MultiplyAdd(_bits, _token, _count, _expert);
            k.Advance(_logit, _logit, _bits, sizeof(float));
            k.When(_take, () => k.Store(_logit, _total));
            k.Place(end);
        }
    }
}
