using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Writes the first of the two kernels of a row's feed-forward block: h = silu(s · gate) · s · up of the shared expert (s = 1), and of the expert that the
/// router's logits choose (s = sigmoid of its logit), rounded to the second kernel's operand. A block has 16 rows of gate and the same 16 of up, so that it
/// has both factors of 16 values; blocks of the chosen expert find it out for themselves.
/// </summary>
internal sealed class ExpertGateUpPtx : FeedForwardPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "expert_gate_up1_int4";

    /// <summary>Bytes of dynamic shared memory.</summary>
    public static readonly int SharedBytes = RingBytes(2 * Int4Tiles.ScaleBytes, Int4Operand.GroupBytes);

    private const float Log2E = 1.44269504f;
    private const int ValueLane = 2 * Int4Tiles.ScaleBytes / 16;

    private readonly Reg<U32> _width, _inner, _count;
    private readonly Reg<Predicate> _summing;

    private ExpertGateUpPtx(KernelWriter k)
        : base(k, 2 * Int4Tiles.ScaleBytes, Int4Operand.GroupBytes)
    {
        _width = k.Register<U32>("width_count", "values of h");
        _inner = k.Register<U32>("inner_count", "columns of W");
        _count = k.Register<U32>("expert_count", "experts");
        _summing = k.Register<Predicate>("summing", "the lane copies the sum, too");
    }

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, BlocksPerProcessor,
            $"h = silu(s * x * Wg^T) * s * x * Wu^T for one row: W int4 in tiles, of the shared expert with s = 1, of the chosen one with its score; h bf16; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by ExpertGateUpPtx; docs/kernels/feed-forward.md says why it is as it is.\n"
            + $"grid (width / 16, 2, or 1 without experts), block {Threads}");
        new ExpertGateUpPtx(k).Body();
        return k;
    }

    /// <inheritdoc/>
    protected override void LoadScales(int at)
    {
        K.Load(new Vec2<F32>(R.Scale.X, R.Scale.Y), R.ByG.At(at));
        K.Load(new Vec2<F32>(R.Scale.Z, R.Scale.W), R.ByG.At(at + Int4Tiles.ScaleBytes));
    }

    /// <inheritdoc/>
    protected override bool LoadOffset(int at)
    {
        K.Load(R.Offset.X, R.Ring.At(at));
        return true;
    }

    /// <inheritdoc/>
    protected override void CopyMore(int at)
    {
        K.And(R.Take, R.More, _summing);
        K.When(R.Take, () => K.CopyAsync(R.Own.At(at + Int4Operand.ValueBytes), R.Auxiliary.At(Int4Operand.ValueBytes)));
    }

    private void Body()
    {
        Parameter<GlobalAddress> codes = K.View("shared_codes", "[2 width / 16][inner / 64][512] bytes, gate before up: Int4Tiles"), scales = K.View("shared_scales", "[2 width / 32][inner / 128][8][4] f32");
        Parameter<GlobalAddress> expertCodes = K.View("expert_codes", "[experts] likewise"), expertScales = K.View("expert_scales", "[experts] likewise");
        Parameter<GlobalAddress> x = K.View("x", "[inner / 128][288] bytes: Int4Operand"), logits = K.View("logits", "[experts] f32");
        Parameter<GlobalAddress> choice = K.View("choice", "[1] s32: gets the chosen expert"), h = K.View("h", "[2][width / 128][288] bytes: Int4Operand without sums");
        Parameter<U32> width = K.Value("width", "values of h, a multiple of 128"), inner = K.Value("inner", "columns of W, a multiple of 128"), experts = K.Value("experts", "experts");
        Reg<F32> score = K.Register<F32>("score", "what x is multiplied by");
        Reg<U32> part = K.Register<U32>("part", "0 of the shared expert, 1 of the chosen one");

        Label end = K.NewLabel("END"), chosen = K.NewLabel("CHOSEN");
        Identify();
        K.BlockY(part);
        K.Equal(R.Shared, part, 0);
        K.NotEqual(R.Chosen, part, 0);
        K.Load(_width, width);
        K.Load(_inner, inner);
        K.Comment("this warp's groups");
        K.ShiftRight(R.Groups, _inner, 7);
        K.Multiply(R.Begin, R.Groups, R.Warp);
        K.Add(R.Left, R.Begin, R.Groups);
        K.ShiftRight(R.Begin, R.Begin, 2);
        K.ShiftRight(R.Left, R.Left, 2);
        K.Subtract(R.Left, R.Left, R.Begin);
        Pointers(codes, scales, expertCodes, expertScales, x);
        if (K.HasDependentLaunch)
        {
            K.Comment("the shared expert's codes depend on no other grid");
            CopyFirstCodes(R.Shared);
        }
        K.LaunchDependents();
        K.WaitForPredecessor();
        K.Move(score, 1f);
        K.When(R.Shared, () => K.BranchUniform(chosen));
        Choose(logits, experts, score, choice);
        K.Place(chosen);
        CopyFirstCodes(K.HasDependentLaunch ? R.Chosen : null);
        CopyFirstParts();
        Multiply();
        Activate(score, part, h, end);
        K.Place(end);
        K.Return();
    }

    private void Pointers(Parameter<GlobalAddress> codes, Parameter<GlobalAddress> scales, Parameter<GlobalAddress> expertCodes, Parameter<GlobalAddress> expertScales, Parameter<GlobalAddress> x)
    {
        K.Comment("from where it copies");
        K.Load(R.X, x);
        K.Advance(R.X, R.X, R.Begin, Int4Operand.GroupBytes);
        K.Load(R.Codes[0], codes);
        K.Load(R.Pointer, expertCodes);
        K.Select(R.Codes[0], R.Codes[0], R.Pointer, R.Shared);
        K.Load(R.Scales, scales);
        K.Load(R.Pointer, expertScales);
        K.Select(R.Scales, R.Scales, R.Pointer, R.Shared);
        // A row of tiles has inner / 64 of them: 8 bytes a column; up's begin width / 16 of them later.
        K.ShiftLeft(R.Work, _inner, 3);
        K.Advance(R.Codes[0], R.Codes[0], R.Unit, R.Work);
        K.Advance(R.Codes[0], R.Codes[0], R.Begin, 2 * Int4Tiles.TileBytes);
        K.Advance(R.Codes[0], R.Codes[0], R.Lane, 16);
        K.ShiftRight(R.More32, _width, 4);
        K.Advance(R.Codes[1], R.Codes[0], R.More32, R.Work);
        // The first eight lanes copy gate's scales, the next eight up's, which begin width / 32 units later: a unit has a byte a column.
        K.ShiftRight(R.Work, R.Unit, 1);
        K.Advance(R.Scales, R.Scales, R.Work, _inner);
        K.Advance(R.Scales, R.Scales, R.Begin, Int4Tiles.ScaleBytes);
        K.And(R.Work, R.Lane, 7);
        K.Advance(R.Scales, R.Scales, R.Work, 16);
        K.ShiftRight(R.Work, R.Lane, 3);
        K.ShiftRight(R.More32, _width, 5);
        K.Multiply(R.Work, R.Work, R.More32);
        K.Advance(R.Scales, R.Scales, R.Work, _inner);
        Ring(R.Scales, R.X);
        // Of a unit's scales, those of the block's half.
        K.And(R.Work, R.Unit, 1);
        K.Advance(R.ByG, R.ByG, R.Work, 2 * sizeof(float));
        K.Subtract(R.Work, R.Lane, ValueLane);
        K.Less(_summing, R.Work, Int4Operand.SumBytes / 16);
    }

    /// <summary>The largest logit, of equal ones the first, what is no number last; its sigmoid; and its weights.</summary>
    private void Choose(Parameter<GlobalAddress> logits, Parameter<U32> experts, Reg<F32> score, Parameter<GlobalAddress> choice)
    {
        Reg<U32> at = K.Register<U32>("candidate", "expert that the lane looks at"), key = K.Register<U32>("key", "its logit, in an order of whole numbers"), best = K.Register<U32>("best", "the best key");
        Reg<F32> logit = K.Register<F32>("logit", "a logit"), power = K.Register<F32>("power", "e to the power of minus that");
        Label next = K.NewLabel("NEXT");
        K.Comment("the chosen expert: a lane looks at every 32nd logit, the warp at what they found");
        K.Load(_count, experts);
        K.Load(R.Pointer, logits);
        K.Move(R.Expert, R.Lane);
        K.Move(best, 0);
        K.Move(at, R.Lane);
        K.Advance(R.Pointer, R.Pointer, at, sizeof(float));
        K.Place(next);
        K.Move(logit, 0f);
        K.Less(R.Take, at, _count);
        K.When(R.Take, () => K.Load(logit, R.Pointer));
        K.IsNumber(R.Last, logit);
        K.And(R.Take, R.Take, R.Last);
        // So that there is one zero.
        K.Add(logit, logit, 0f);
        K.Reinterpret(key, logit);
        K.Greater(R.Last, key, int.MaxValue);
        K.Select(R.Work, -1, int.MinValue, R.Last);
        K.Xor(key, key, R.Work);
        K.Select(key, key, 0, R.Take);
        K.Greater(R.Take, key, best);
        K.Select(R.Expert, at, R.Expert, R.Take);
        K.Select(best, key, best, R.Take);
        K.Advance(R.Pointer, R.Pointer, 32 * sizeof(float));
        K.Add(at, at, 32);
        K.Subtract(R.Work, at, R.Lane);
        K.Less(R.Last, R.Work, _count);
        K.When(R.Last, () => K.BranchUniform(next));
        K.WarpMaximum(key, best);
        K.Equal(R.Take, key, best);
        K.Select(R.Expert, R.Expert, -1, R.Take);
        K.WarpMinimum(R.Expert, R.Expert);
        K.Comment("its score");
        K.Load(R.Pointer, logits);
        K.Advance(R.Pointer, R.Pointer, R.Expert, sizeof(float));
        K.Load(logit, R.Pointer);
        Sigmoid(score, logit, power);
        K.IsNumber(R.Take, logit);
        K.Select(score, score, 0f, R.Take);
        K.Comment("for the second kernel");
        K.Add(R.Work, R.Unit, R.Thread);
        K.Equal(R.Take, R.Work, 0);
        K.Load(R.Pointer, choice);
        K.When(R.Take, () => K.Store(R.Pointer, R.Expert));
        K.Comment("its weights");
        K.Multiply(R.Work, _width, _inner);
        for (int i = 0; i < R.Codes.Length; i++)
        {
            K.Advance(R.Codes[i], R.Codes[i], R.Expert, R.Work);
        }
        K.ShiftRight(R.Work, R.Work, 4);
        K.Advance(R.Pointer, R.Auxiliary, R.Expert, R.Work);
        K.Select(R.Auxiliary, R.Pointer, R.Auxiliary, R.Scaling);
    }

    /// <summary>d = 1 / (1 + e⁻ˣ)</summary>
    private void Sigmoid(Reg<F32> d, Reg<F32> x, Reg<F32> work)
    {
        K.Multiply(work, x, -Log2E);
        K.Exp2(work, work);
        K.Add(work, work, 1f);
        K.Reciprocal(d, work);
    }

    private void Activate(Reg<F32> score, Reg<U32> part, Parameter<GlobalAddress> h, Label end)
    {
        Reg<F32> gate = K.Register<F32>("gate", "the lane's sum, of gate in the first 16 lanes"), up = K.Register<F32>("up", "up, in the first 16 lanes"), work = K.Register<F32>("silu", "temporary");
        Reg<GlobalAddress> to = K.Register<GlobalAddress>("to", "where the lane's pair goes");
        Reg<Bf16x2> pair = K.Register<Bf16x2>("pair", "two values of h");
        AddUp(gate, end);
        K.Multiply(gate, gate, score);
        K.ShuffleXor(up, gate, 16);
        Sigmoid(work, gate, work);
        K.Multiply(gate, gate, work);
        K.Multiply(gate, gate, up);
        K.ShuffleXor(up, gate, 1);
        K.Round(pair, gate, up);
        K.Comment("16 values are a block of the operand: where Int4Operand.Place has them");
        K.Load(to, h);
        K.ShiftRight(R.Work, _width, 7);
        K.Multiply(R.Work, R.Work, part);
        K.ShiftRight(R.More32, R.Unit, 3);
        K.Add(R.Work, R.Work, R.More32);
        K.Advance(to, to, R.Work, Int4Operand.GroupBytes);
        for (int bit = 0; bit < 3; bit++)
        {
            K.And(R.Work, R.Unit, 1 << bit);
            K.Advance(to, to, R.Work, Int4Operand.Place(MatrixFragments.K << bit) >> bit);
        }
        for (int bit = 1; bit < 4; bit++)
        {
            K.ShiftRight(R.Work, R.Lane, bit);
            K.And(R.Work, R.Work, 1);
            K.Advance(to, to, R.Work, Int4Operand.Place(1 << bit));
        }
        K.And(R.Work, R.Lane, 17);
        K.Equal(R.Take, R.Work, 0);
        K.When(R.Take, () => K.Store(to, pair));
    }
}
