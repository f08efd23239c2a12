using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.Machine;

/// <summary>
/// Writes kernels that do matrix instructions and nothing else, plain or with the decoding of int4 codes that the products
/// have: how many does a device do in a second? The words come from memory and change with each instruction, so that an
/// assembler can take nothing out of the loop.
/// </summary>
internal static class MatrixProbe
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = 256;

    /// <summary>Independent sums of a warp, an instruction for each in a step.</summary>
    public const int Sums = 4;

    /// <summary>Floating-point operations of an instruction.</summary>
    public const int Flops = 2 * MatrixFragments.M * MatrixFragments.N * MatrixFragments.K;

    /// <summary>Bytes of codes that a warp decodes for an instruction.</summary>
    public const int CodeBytes = MatrixFragments.M * MatrixFragments.K / 2;

    /// <summary>Blocks that a multiprocessor should hold: warps enough for every scheduler.</summary>
    public const int BlocksPerProcessor = 4;

    /// <summary>bfloat16 1 in both halves: b, and a where nothing is decoded.</summary>
    public const uint Ones = 0x3F803F80;

    /// <summary>The kernel's name.</summary>
    public static string Name(bool decodes) => decodes ? "probe_mma_int4" : "probe_mma";

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(bool decodes, int sm)
    {
        var k = new KernelWriter(Name(decodes), sm, Threads, BlocksPerProcessor,
            $"Matrix instructions m16n8k16 of bf16{(decodes ? " on int4 codes decoded in registers" : "")}; sm_{sm}.\ngrid (any), block {Threads}: each warp does {Sums} independent ones a step");
        Parameter<GlobalAddress> operands = k.View("operands", "[3] u32: pairs of b, first word of a, what each instruction adds to the word");
        Parameter<GlobalAddress> result = k.View("result", "[blocks][threads] f32, what the thread's sums add up to");
        Parameter<U32> stepCount = k.Value("steps", "1 or more");
        Reg<U32> thread = k.Register<U32>("thread", "thread of the block"), block = k.Register<U32>("block", "block of the grid"), left = k.Register<U32>("left", "steps left");
        Reg<U32> word = k.Register<U32>("word", "codes, or a pair of a"), change = k.Register<U32>("change", "from word to word"), pair = k.Register<U32>("pair", "of b");
        Vec4<U32> shift = k.Quad<U32>("shift", "the word moved by 4, 8 and 12");
        Vec4<Bf16x2> a = k.Quad<Bf16x2>("a", "fragment of a");
        Vec2<Bf16x2> b = k.Pair<Bf16x2>("b", "fragment of b");
        Vec4<F32>[] sums = [.. Enumerable.Range(0, Sums).Select(sum => k.Quad<F32>($"sum{sum}_", $"sum {sum}"))];
        Reg<GlobalAddress> from = k.Register<GlobalAddress>("from", "operands"), to = k.Register<GlobalAddress>("to", "the thread's result");
        Reg<Predicate> more = k.Register<Predicate>("more", "there is another step");
        Label loop = k.NewLabel("LOOP");

        k.ThreadIndex(thread);
        k.BlockX(block);
        k.Load(left, stepCount);
        k.Load(from, operands);
        k.Load(pair, from);
        k.Load(word, from.At(sizeof(uint)));
        k.Load(change, from.At(2 * sizeof(uint)));
        k.Load(to, result);
        k.Advance(to, to, block, Threads * sizeof(float));
        k.Advance(to, to, thread, sizeof(float));
        k.Reinterpret(b.X, pair);
        k.Reinterpret(b.Y, pair);
        foreach (Vec4<F32> sum in sums)
        {
            for (int i = 0; i < 4; i++)
            {
                k.Move(sum[i], 0f);
            }
        }
        k.Place(loop);
        foreach (Vec4<F32> sum in sums)
        {
            Fragment(k, decodes, a, word, shift);
            k.MatrixMultiply(sum, a, b, sum);
            k.Add(word, word, change);
        }
        k.Subtract(left, left, 1);
        k.Greater(more, left, 0);
        k.When(more, () => k.BranchUniform(loop));
        for (int sum = 0; sum < Sums; sum++)
        {
            for (int i = sum == 0 ? 1 : 0; i < 4; i++)
            {
                k.Add(sums[0].X, sums[0].X, sums[sum][i]);
            }
        }
        k.Store(to, sums[0].X);
        k.Return();
        return k;
    }

    private static void Fragment(KernelWriter k, bool decodes, Vec4<Bf16x2> a, Reg<U32> word, Vec4<U32> shift)
    {
        if (decodes)
        {
            Int4TilesPtx.Decode(k, word, shift, a);
            return;
        }
        for (int register = 0; register < 4; register++)
        {
            k.Reinterpret(a[register], word);
        }
    }
}
