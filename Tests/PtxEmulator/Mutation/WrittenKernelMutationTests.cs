using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Attention;
using Llama4Kernels.Tests.Kernels.ExpertRouting;
using Llama4Kernels.Tests.Kernels.MatMul;
using Llama4Kernels.Tests.Kernels.Normalization;
using Llama4Kernels.Tests.Kernels.Quantization;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>Mistakes put into the written kernels, with asynchronous copies that land early and late; what survives is explained in survivors.tsv.</summary>
public partial class WrittenKernelMutationTests(ITestOutputHelper output)
{
    private const int MutantsOfKernel = 20;
    private const int Seed = 1;

    /// <summary>Rows and outputs that end in each of the eights of a warp's outputs, and with each of a lane's tokens.</summary>
    private static readonly (int Rows, int Outputs, int Columns)[] s_ends = [.. Enumerable.Range(0, 8).Select(i => ((i / 2 * 8) + 4 + (i % 2), (8 * i) + 4, 128))];

    /// <summary>Those that a model's operations use: what measures a device computes nothing.</summary>
    public static TheoryData<string> Kernels { get; } = [.. PtxKernelModules.All.Names.Where(name => !name.StartsWith("probe_", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void EveryMutantIsCaughtOrExplained(string name)
    {
        string text = PtxKernelModules.All.Get(name, 80).Text;
        var module = PtxModule.Parse(text);
        HashSet<int> lines = [], divergent = [];
        var kernel = new MutationCase(name, text, [.. Launches(name).Select(launch => launch.Harden(module, name, lines, divergent)).OrderBy(launch => launch.InstructionLimit)], lines, divergent);
        Assert.Empty(divergent);
        var mutator = new PtxMutator(text);
        Assert.All(mutator.Lines, line => Assert.Contains(line, lines));

        IReadOnlyList<Mutant> mutants = mutator.Draw(lines, MutantsOfKernel, Seed);
        var verdicts = new Verdict[mutants.Count];
        Parallel.For(0, mutants.Count, i => verdicts[i] = MutationRunner.Run(kernel, mutants[i].Text));
        IReadOnlyList<KnownSurvivor> known = KnownSurvivor.Load();
        var unexplained = new StringBuilder();
        for (int i = 0; i < mutants.Count; i++)
        {
            KnownSurvivor? listed = known.FirstOrDefault(one => one.Is(name, mutants[i]));
            if (verdicts[i].Checker is string checker)
            {
                Assert.True(listed is null, $"{mutants[i]} is listed as a survivor and caught: {checker}, {verdicts[i].Message}");
            }
            else if (listed is null)
            {
                unexplained.Append(CultureInfo.InvariantCulture, $"{mutants[i]}\n");
            }
        }
        output.WriteLine($"{mutants.Count} mutants of {mutants.Select(mutant => mutant.Kind).Distinct().Count()} kinds, {verdicts.Count(verdict => verdict.Checker is not null)} caught.");
        Assert.True(mutants.Count >= MutantsOfKernel);
        Assert.True(unexplained.Length == 0, $"These survive:\n{unexplained}");
    }

    /// <summary>Those that branch.</summary>
    public static TheoryData<string> Branching { get; } = [.. PtxKernelModules.All.Names.Where(name => !name.StartsWith("probe_", StringComparison.Ordinal) && PtxKernelModules.All.Get(name, 80).Text.Contains(" bra", StringComparison.Ordinal))];

    /// <summary>
    /// A written kernel marks a branch <c>.uni</c> only where all lanes of a warp go one way: no launch above makes them part, and if the lanes of a marked
    /// branch do part, the emulator finds it.
    /// </summary>
    [Theory]
    [MemberData(nameof(Branching))]
    public void AMarkedBranchWhoseLanesPartIsFound(string name)
    {
        string[] text = PtxKernelModules.All.Get(name, 80).Text.ReplaceLineEndings("\n").Split('\n');
        Assert.All(text.Where(line => line.Contains(" bra", StringComparison.Ordinal) && line.TrimStart().StartsWith('@')), line => Assert.Contains("bra.uni", line, StringComparison.Ordinal));
        int[] marked = [.. Enumerable.Range(0, text.Length).Where(line => Guarded().IsMatch(text[line]))];
        Assert.NotEmpty(marked);
        MutationLaunch[] launches = [.. Launches(name)];
        // The first and the last: each of them is executed by some launch, as the test of all mutants asserts.
        foreach (int line in new[] { marked[0], marked[^1] }.Distinct())
        {
            string[] changed = [.. text];
            changed[line] = Guarded().Replace(text[line], "{ .reg .pred %half; .reg .b32 %own; mov.u32 %own, %laneid; setp.lt.u32 %half, %own, 16; @%half bra.uni $1; }");
            HashSet<int> lines = [], divergent = [];
            var module = PtxModule.Parse(string.Join('\n', text));
            var kernel = new MutationCase(name, string.Join('\n', text), [.. launches.Select(launch => launch.Harden(module, name, lines, divergent))], lines, divergent);
            Verdict verdict = MutationRunner.Run(kernel, string.Join('\n', changed));
            Assert.True(verdict.Checker == "Divergence" && verdict.Message.Contains("marked .uni", StringComparison.Ordinal), $"{name}, line {line + 1}: {verdict}");
        }
    }

    [GeneratedRegex(@"@!?%\w+\s+bra\.uni\s+(\w+);")]
    private static partial Regex Guarded();

    /// <summary>Few steps a warp, turns of the ring whose last step lies in each slot, outputs that end within a block's.</summary>
    private static IEnumerable<(int Rows, int Outputs, int Columns)> VectorShapes(int atOnce, int stepColumns) =>
    [
        (atOnce == 1 ? 2 : atOnce - 1, 33, 384),
        (atOnce + 1, 17, 18 * stepColumns),
        (1, 32, 38 * stepColumns),
        (atOnce, 8, 28 * stepColumns),
        (1, 5, 20 * stepColumns),
    ];

    /// <summary>Experts of some rows, one of which has none.</summary>
    private static int[] Starts(int rows, int atOnce) => rows == 1 ? [0, 0, 1] : atOnce == 1 ? [0, 0, 1, 2] : [0, 2, 2, rows];

    /// <summary>
    /// Few groups a warp, as many as a ring holds, and so many that each slot is filled again and each of a warp's last groups lies in
    /// every slot; outputs and rows that end within a unit and a slice.
    /// </summary>
    private static IEnumerable<MutationLaunch> Launches(string name)
    {
        if (name == Int4OperandPtx.Name)
        {
            return [new Int4Case(2, 1, 640, seed: 3).Rounding()];
        }
        if (name == AttentionFoldPtx.Name)
        {
            // Rows whose next range would begin where their keys end, of each place that a warp loads; ranges that double.
            return [AttentionFoldCase.Launch([1100, -1, 5], 2, 16, 64, seed: 1), AttentionFoldCase.Launch([.. Enumerable.Range(0, 16).Select(i => (16 * Math.Max(2, (4 * i) + 1)) - 1)], 1, 16, 64, seed: 2)];
        }
        if (FeedForwardCase.Launches(name) is { Count: > 0 } launches)
        {
            return launches;
        }
        if (name == RmsNormPtx.Name)
        {
            // Rows that end within each of a thread's pieces.
            return Enumerable.Range(0, 8).Select(piece => new RowNormCase(2, (1024 * piece) + 516, seed: piece).Launch(inPlace: piece % 2 == 0));
        }
        foreach (int pageTokens in CacheTilePtx.PageSizes.Where(size => name == SplitAttentionPtx.Name(size)))
        {
            (int Tiles, int Keys)[] ends = [(1, 5), (2, 13), (3, 21), (4, 29), (5, 37), (3, 45), (4, 45), (1, 53), (10, 61)];
            // Ranges that double; as many tiles as there are places that copy and more, whose last ends in each eighth of a tile.
            return
            [
                new SplitAttentionCase([20, -1, 130], pageTokens, 2, 3, 64, 2, seed: 3).Launch(),
                new SplitAttentionCase([.. ends.Select(end => (64 * (end.Tiles - 1)) + end.Keys - 1)], pageTokens, 1, 5, 1024, 1, seed: 4).Launch(),
            ];
        }
        foreach (int pageTokens in CacheTilePtx.PageSizes.Where(size => name == PrefillAttentionPtx.Name(size)))
        {
            // Rows that end in each eighth of a tile of keys, of sequences with up to four tiles; two key/value heads; largest scores that come late, wherever a lane has them.
            int[] ends = [5, 13 + 64, 21, 29 + 128, 37, 45 + 64, 53, 61 + 192];
            return
            [
                new PrefillAttentionCase([.. ends.Select(end => (end - 2, 2))], pageTokens, 1, 5, seed: 4).Launch(),
                new PrefillAttentionCase([(140, 30), (3, 12)], pageTokens, 2, 3, seed: 3).Scaled(40, 4).Scaled(100, 16).Scaled(160, 40).Launch(),
                new PrefillAttentionCase([(50, 25)], pageTokens, 1, 5, seed: 5).Scaled(40, 12).Launch(),
                PrefillAttentionCase.Peaks(pageTokens).Launch(),
            ];
        }
        foreach (TensorTile tile in Int4GemmPtx.Tiles.Where(tile => name == Int4GemmPtx.Name(tile, experts: false) || name == Int4GemmPtx.Name(tile, experts: true)))
        {
            // So many groups that each place is filled again, and tiles that end.
            bool experts = name == Int4GemmPtx.Name(tile, experts: true);
            IEnumerable<(int Rows, int Outputs, int Columns)> sizes = [.. s_ends, (tile.Tokens + 3, 33, 512), (5, tile.Outputs + 9, 384)];
            return sizes.Select(one => new Int4Case(one.Rows, one.Outputs, one.Columns, seed: 3, experts ? [0, 2, 2, one.Rows] : null, withBias: one.Outputs != 33).Tiled(tile, spare: 1));
        }
        foreach (TensorTile tile in Bf16GemmPtx.Tiles.Where(tile => name == Bf16GemmPtx.Name(tile, experts: false) || name == Bf16GemmPtx.Name(tile, experts: true)))
        {
            bool experts = name == Bf16GemmPtx.Name(tile, experts: true);
            IEnumerable<(int Rows, int Outputs, int Columns)> sizes = [.. s_ends, (tile.Tokens + 3, 33, 512), (5, tile.Outputs + 9, 384)];
            return sizes.Select(one => new Bf16Case(one.Rows, one.Outputs, one.Columns, seed: 3, experts ? [0, 2, 2, one.Rows] : null, withBias: one.Outputs != 33).Launch(tile, spare: 1));
        }
        foreach (bool quantises in new[] { false, true }.Where(quantises => name == Fp8OperandPtx.Name(quantises)))
        {
            // Rows that end within a block's turn and behind it, whose largest number each warp and different lanes have; beyond the bound, and what is no number.
            var rows = new Fp8Case(8, 1, 1152, seed: 3);
            for (int row = 0; row < 8; row++)
            {
                rows.X[row][(128 * row) + (4 * (((5 * row) + 1) % 32)) + (row % 4)] = 900;
            }
            var special = new Fp8Case(2, 1, 2176, seed: 4);
            for (int i = 0; i < 12; i++)
            {
                special.X[1][i] = i < 4 ? 2000 : i < 8 ? -2000 : float.NaN;
            }
            return [rows.Operand(quantises), special.Operand(quantises)];
        }
        foreach (TensorTile tile in Fp8GemmPtx.Tiles.Where(tile => name == Fp8GemmPtx.Name(tile, experts: false) || name == Fp8GemmPtx.Name(tile, experts: true)))
        {
            bool experts = name == Fp8GemmPtx.Name(tile, experts: true);
            IEnumerable<(int Rows, int Outputs, int Columns)> sizes = [.. s_ends, (tile.Tokens + 3, 33, 512), (5, tile.Outputs + 9, 384)];
            return sizes.Select(one => new Fp8Case(one.Rows, one.Outputs, one.Columns, seed: 3, experts ? [0, 2, 2, one.Rows] : null, withBias: one.Outputs != 33).Launch(tile, spare: 1));
        }
        foreach (VectorTile tile in Fp8MatVecPtx.Tiles.Where(tile => name == Fp8MatVecPtx.Name(tile, experts: false) || name == Fp8MatVecPtx.Name(tile, experts: true)))
        {
            bool experts = name == Fp8MatVecPtx.Name(tile, experts: true);
            return VectorShapes(tile.Rows, tile.StepColumns).Select(shape => new Fp8Case(shape.Rows, shape.Outputs, shape.Columns, seed: 3, experts ? Starts(shape.Rows, tile.Rows) : null, withBias: shape.Outputs == 33).Launch(tile, spare: 1));
        }
        foreach (VectorTile tile in Bf16MatVecPtx.Tiles.Where(tile => name == Bf16MatVecPtx.Name(tile, experts: false) || name == Bf16MatVecPtx.Name(tile, experts: true)))
        {
            bool experts = name == Bf16MatVecPtx.Name(tile, experts: true);
            return VectorShapes(tile.Rows, tile.StepColumns).Select(shape => new Bf16Case(shape.Rows, shape.Outputs, shape.Columns, seed: 3, experts ? Starts(shape.Rows, tile.Rows) : null, withBias: shape.Outputs == 33).Launch(tile, spare: 1));
        }
        int atOnce = Int4MatVecPtx.RowCounts.Single(rows => name == Int4MatVecPtx.Name(rows, experts: false) || name == Int4MatVecPtx.Name(rows, experts: true));
        (int Rows, int Outputs, int Columns)[] shapes = atOnce switch
        {
            1 => [(2, 33, 384), (1, 1, 1024), (1, 1, 1536), (1, 1, 2048), (2, 17, 5248)],
            8 => [(7, 33, 384), (9, 17, 4224)],
            _ => [(15, 33, 384), (17, 17, 3200), (2, 16, 3968)],
        };
        return shapes.Select(shape => new Int4Case(shape.Rows, shape.Outputs, shape.Columns, seed: 3, name != Int4MatVecPtx.Name(atOnce, experts: true) ? null
            : shape.Rows == 1 ? [0, 0, 1] : atOnce == 1 ? [0, 0, 1, 2] : [0, 2, 2, shape.Rows], withBias: shape.Outputs == 33).Product(atOnce, spare: 1));
    }
}
