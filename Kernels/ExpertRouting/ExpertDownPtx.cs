using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Writes the second of the two kernels of a row's feed-forward block: hidden += h · Wᵀ of the shared expert, and of the chosen one where there is one,
/// both in one sum. Half of a block's warps take the one's columns, half the other's.
/// </summary>
internal sealed class ExpertDownPtx : FeedForwardPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "expert_down1_int4";

    /// <summary>Bytes of dynamic shared memory.</summary>
    public static readonly int SharedBytes = RingBytes(Int4Tiles.ScaleBytes, Int4Operand.ValueBytes);

    private ExpertDownPtx(KernelWriter k)
        : base(k, Int4Tiles.ScaleBytes, Int4Operand.ValueBytes)
    {
    }

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, BlocksPerProcessor,
            $"hidden += h * W^T for one row: W int4 in tiles, of the shared expert and of the chosen one; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by ExpertDownPtx; docs/kernels/feed-forward.md says why it is as it is.\n"
            + $"grid (outputs / 32), block {Threads}");
        new ExpertDownPtx(k).Body();
        return k;
    }

    /// <inheritdoc/>
    protected override void LoadScales(int at) => K.Load(R.Scale, R.ByG.At(at));

    /// <inheritdoc/>
    protected override bool LoadOffset(int at) => false;

    private void Body()
    {
        Parameter<GlobalAddress> codes = K.View("shared_codes", "[units of 32 rows][2][inner / 64][512] bytes: Int4Tiles"), scales = K.View("shared_scales", "[units][inner / 128][8][4] f32");
        Parameter<GlobalAddress> expertCodes = K.View("expert_codes", "[experts] likewise"), expertScales = K.View("expert_scales", "[experts] likewise");
        Parameter<GlobalAddress> choice = K.View("choice", "[1] s32: the chosen expert"), h = K.View("h", "[parts][inner / 128][288] bytes: Int4Operand without sums");
        Parameter<GlobalAddress> hidden = K.View("hidden", "[outputs] f32, added to");
        Parameter<U32> outputs = K.Value("outputs", "rows of W"), inner = K.Value("inner", "columns of W, a multiple of 128"), parts = K.Value("parts", "2, or 1 without an expert");
        Reg<U32> outputCount = K.Register<U32>("output_count", "rows of W"), innerCount = K.Register<U32>("inner_count", "columns of W"), bits = K.Register<U32>("part_bits", "log2 of the warps of a part");
        Reg<GlobalAddress> y = K.Register<GlobalAddress>("y_pointer", "the lane's output");
        Reg<F32> total = K.Register<F32>("total", "what is added"), before = K.Register<F32>("before", "the output before");

        Label end = K.NewLabel("END");
        Identify();
        K.Load(outputCount, outputs);
        K.Load(innerCount, inner);
        K.Comment("this warp's part and groups: of two parts each has two warps, of one four");
        K.Load(bits, parts);
        K.Move(R.Work, 3);
        K.Subtract(bits, R.Work, bits);
        K.ShiftRight(R.Expert, R.Warp, bits);
        K.Equal(R.Shared, R.Expert, 0);
        K.NotEqual(R.Chosen, R.Expert, 0);
        K.ShiftRight(R.Groups, innerCount, 7);
        K.ShiftLeft(R.Work, R.Expert, bits);
        K.Subtract(R.Work, R.Warp, R.Work);
        K.Multiply(R.Begin, R.Groups, R.Work);
        K.Add(R.Left, R.Begin, R.Groups);
        K.ShiftRight(R.Begin, R.Begin, bits);
        K.ShiftRight(R.Left, R.Left, bits);
        K.Subtract(R.Left, R.Left, R.Begin);
        K.Comment("from where it copies");
        K.Load(R.X, h);
        K.Multiply(R.Work, R.Groups, Int4Operand.GroupBytes);
        K.Advance(R.X, R.X, R.Expert, R.Work);
        K.Advance(R.X, R.X, R.Begin, Int4Operand.GroupBytes);
        K.Load(R.Codes[0], codes);
        K.Load(R.Pointer, expertCodes);
        K.Select(R.Codes[0], R.Codes[0], R.Pointer, R.Shared);
        K.Load(R.Scales, scales);
        K.Load(R.Pointer, expertScales);
        K.Select(R.Scales, R.Scales, R.Pointer, R.Shared);
        // A row of tiles has inner / 64 of them: 8 bytes a column.
        K.ShiftLeft(R.Work, innerCount, 4);
        K.Advance(R.Codes[0], R.Codes[0], R.Unit, R.Work);
        K.Advance(R.Codes[0], R.Codes[0], R.Begin, 2 * Int4Tiles.TileBytes);
        K.Advance(R.Codes[0], R.Codes[0], R.Lane, 16);
        K.Advance(R.Codes[1], R.Codes[0], innerCount, 8);
        K.Advance(R.Scales, R.Scales, R.Unit, innerCount);
        K.Advance(R.Scales, R.Scales, R.Begin, Int4Tiles.ScaleBytes);
        K.Advance(R.Scales, R.Scales, R.Lane, 16);
        K.Move(R.Nothing, 0f);
        K.Move(R.Work, unchecked((int)0xC1C0C1C0));
        K.Reinterpret(R.Weight, R.Work);
        Ring(R.Scales, R.X);
        if (K.HasDependentLaunch)
        {
            K.Comment("the shared expert's codes depend on no other grid");
            CopyFirstCodes(R.Shared);
        }
        K.LaunchDependents();
        K.WaitForPredecessor();
        K.Comment("the chosen expert's weights");
        K.Load(R.Pointer, choice);
        K.When(R.Chosen, () => K.Load(R.Expert, R.Pointer));
        K.Add(R.Work, outputCount, Int4Tiles.UnitRows - 1);
        K.ShiftRight(R.Work, R.Work, 5);
        K.Multiply(R.Work, R.Work, innerCount);
        K.ShiftLeft(R.More32, R.Work, 4);
        for (int i = 0; i < R.Codes.Length; i++)
        {
            K.Advance(R.Codes[i], R.Codes[i], R.Expert, R.More32);
        }
        K.Advance(R.Pointer, R.Auxiliary, R.Expert, R.Work);
        K.Select(R.Auxiliary, R.Pointer, R.Auxiliary, R.Scaling);
        CopyFirstCodes(K.HasDependentLaunch ? R.Chosen : null);
        CopyFirstParts();
        Multiply();
        AddUp(total, end);
        K.MultiplyAdd(R.Unit, R.Unit, Int4Tiles.UnitRows, R.Lane);
        K.Less(R.Take, R.Unit, outputCount);
        K.Load(y, hidden);
        K.Advance(y, y, R.Unit, sizeof(float));
        K.When(R.Take, () => K.Load(before, y));
        K.When(R.Take, () => K.Add(total, total, before));
        K.When(R.Take, () => K.Store(y, total));
        K.Place(end);
        K.Return();
    }
}
