using System.Globalization;
using System.Text;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>
/// Mistakes that are put into kernels must be found. LLAMA4_MUTATION_TABLE names a file for the table of all mutants.
/// </summary>
public class MutationTests(ITestOutputHelper output)
{
    private const int MutantsOfKernel = 14;
    private const int Seed = 1;
    private static readonly Lazy<IReadOnlyList<MutationCase>> s_cases = new(MutationCases.Load);

    [Fact]
    public void UnchangedKernelsPass()
    {
        var verdicts = new Verdict[s_cases.Value.Count];
        Parallel.For(0, verdicts.Length, i => verdicts[i] = MutationRunner.Run(s_cases.Value[i], s_cases.Value[i].Text));
        Assert.All(verdicts, verdict => Assert.Equal(new Verdict(null, ""), verdict));
    }

    [Fact]
    public void AtLeast95Of100MutantsAreCaught()
    {
        (MutationCase Kernel, Mutant Mutant)[] mutants = [.. s_cases.Value.SelectMany(kernel => new PtxMutator(kernel.Text).Draw(kernel.Lines, MutantsOfKernel, Seed).Select(mutant => (kernel, mutant)))];
        var verdicts = new Verdict[mutants.Length];
        Parallel.For(0, mutants.Length, i => verdicts[i] = MutationRunner.Run(mutants[i].Kernel, mutants[i].Mutant.Text));
        IReadOnlyList<KnownSurvivor> known = KnownSurvivor.Load();

        int equivalent = 0;
        var survivors = new StringBuilder();
        var table = new StringBuilder("kernel\tline\tkind\tbefore\tafter\tcaught by\tmessage\n");
        for (int i = 0; i < mutants.Length; i++)
        {
            (MutationCase kernel, Mutant mutant) = mutants[i];
            table.Append(CultureInfo.InvariantCulture, $"{kernel.Name}\t{mutant.Line}\t{mutant.Kind}\t{mutant.Before}\t{mutant.After}\t{verdicts[i].Checker ?? "nothing"}\t{verdicts[i].Message}\n");
            KnownSurvivor? listed = known.FirstOrDefault(one => one.Is(kernel.Name, mutant));
            if (verdicts[i].Checker is string checker)
            {
                Assert.True(listed is not { Equivalent: true }, $"{kernel.Name}, {mutant} is listed as equivalent and caught: {checker}, {verdicts[i].Message}");
                continue;
            }
            equivalent += listed is { Equivalent: true } ? 1 : 0;
            survivors.Append(CultureInfo.InvariantCulture, $"{kernel.Name}, {mutant}\n    {(listed is null ? "unexplained" : $"{(listed.Equivalent ? "equivalent" : "not shown by our inputs")}: {listed.Reason}")}\n");
        }
        int caught = verdicts.Count(verdict => verdict.Checker is not null);
        double share = caught / (double)(mutants.Length - equivalent);
        Dictionary<string, int> checkers = verdicts.GroupBy(verdict => verdict.Checker ?? "nothing").ToDictionary(group => group.Key, group => group.Count());
        output.WriteLine($"{mutants.Length} mutants of {s_cases.Value.Count} kernels: {caught} caught, {mutants.Length - caught} survive, {equivalent} of these equivalent; {share:p1} of the others caught.");
        foreach ((string checker, int count) in checkers.OrderByDescending(pair => pair.Value))
        {
            output.WriteLine($"{count,5} {checker}");
        }
        foreach (IGrouping<MutationKind, int> kind in Enumerable.Range(0, mutants.Length).GroupBy(i => mutants[i].Mutant.Kind).OrderBy(kind => kind.Key))
        {
            output.WriteLine($"{kind.Key}: {kind.Count()}, {kind.Count(i => verdicts[i].Checker is null)} survive");
        }
        output.WriteLine(survivors.ToString());
        if (Environment.GetEnvironmentVariable("LLAMA4_MUTATION_TABLE") is string path)
        {
            File.WriteAllText(path, table.ToString());
        }

        Assert.True(mutants.Length >= 300);
        Assert.True(share >= 0.95, $"{share:p1} are caught. Survivors:\n{survivors}");
        // Each check is needed: none of these mutants is found by another one first.
        Assert.All(["Race", "MissingWait", "Deadlock", "Divergence", "Uninitialised", "OutOfBounds", "Misaligned", "WrongOutput"], checker => Assert.True(checkers.ContainsKey(checker), $"{checker} caught nothing."));
    }

    [Fact]
    public void ABranchThatIsNotUniformAndSaysSoIsFound()
    {
        (MutationCase Kernel, Mutant Mutant)[] mutants = [.. s_cases.Value.SelectMany(kernel => new PtxMutator(kernel.Text).MarkUniform(kernel.Divergent, 2).Select(mutant => (kernel, mutant)))];
        string[] kernels = [.. mutants.Select(one => one.Kernel.Name).Distinct()];
        output.WriteLine($"{mutants.Length} branches of {string.Join(", ", kernels)}");
        Assert.True(mutants.Length >= 30, $"{mutants.Length} branches");
        Assert.Superset(new HashSet<string> { "route_topk", "quantise_fp8", "softmax_sums" }, kernels.ToHashSet());
        Parallel.ForEach(mutants, one =>
        {
            Verdict verdict = MutationRunner.Run(one.Kernel, one.Mutant.Text);
            Assert.True(verdict.Checker == "Divergence" && verdict.Message.Contains("marked .uni", StringComparison.Ordinal), $"{one.Kernel.Name}, {one.Mutant}: {verdict}");
        });
    }

    [Fact]
    public void NoDeviceKernelHasAConditionalBranchThatSaysItIsUniform() => Assert.All(IlgpuKernels.All, kernel =>
        Assert.DoesNotMatch(@"@\S+\s+bra\.uni", KernelTexts.Get(kernel.Name)));

    /// <summary>Mistakes that only one check can see, or that one missed once: one line that holds the text is deleted.</summary>
    [Theory]
    [InlineData("gemm_pipeline", "cp.async.wait_group 1", 0, "MissingWait")]
    [InlineData("gemm_pipeline", "cp.async.commit_group", 0, "MissingWait")]
    [InlineData("gemm_pipeline", "bar.sync", 1, "Race")]
    [InlineData("mbarrier_sm80", "bar.sync", 0, "Race")]
    [InlineData("mbarrier_sm80", "bar.sync", 3, "Race")]
    [InlineData("mbarrier_sm80", "mbarrier.init", 0, "Uninitialised")]
    [InlineData("mbarrier_sm80", "mbarrier.arrive.shared", 1, "Uninitialised")]
    [InlineData("named_barriers", "bar.arrive", 0, "Deadlock")]
    [InlineData("syncwarp_exchange", "bar.warp.sync", 0, "Race")]
    [InlineData("route_group", "st.global.b32", 0, "WrongOutput")]
    public void ALineLess(string name, string text, int which, string checker)
    {
        MutationCase kernel = s_cases.Value.Single(one => one.Name == name);
        string[] lines = kernel.Text.ReplaceLineEndings("\n").Split('\n');
        int at = Enumerable.Range(0, lines.Length).Where(line => lines[line].Contains(text, StringComparison.Ordinal)).ElementAt(which);
        lines[at] = "";
        Assert.Equal(checker, MutationRunner.Run(kernel, string.Join('\n', lines)).Checker);
    }

    [Fact]
    public void BesideAnAllocationLiesNoOther()
    {
        using var memory = new GlobalMemory();
        nint[] addresses = [.. Enumerable.Range(0, 100).Select(i => memory.Allocate(i))];
        Assert.All(addresses, (address, i) =>
        {
            Assert.Null(memory.Find(address - 4096));
            Assert.Null(memory.Find(address - 1));
            Assert.Null(memory.Find(address + i));
            Assert.Null(memory.Find(address + i + 4095));
        });
    }

    /// <summary>Nearly every line that can be mutated runs, in the launches that have a choice of inputs: our own.</summary>
    [Fact]
    public void LaunchesReachTheLinesOfTheDeviceKernels()
    {
        int lines = 0, executed = 0;
        foreach (MutationCase kernel in s_cases.Value.Where(kernel => IlgpuKernels.All.Any(one => one.Name == kernel.Name)))
        {
            int[] all = [.. new PtxMutator(kernel.Text).Lines];
            int reached = all.Count(kernel.Lines.Contains);
            output.WriteLine($"{kernel.Name}: {reached} of {all.Length} lines");
            lines += all.Length;
            executed += reached;
        }
        output.WriteLine($"{executed} of {lines}");
        Assert.True(executed >= 0.9 * lines, $"{executed} of {lines} lines run.");
    }
}
