namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

public class PtxMutatorTests
{
    [Theory]
    [InlineData("bar.sync 0;", "DeleteBarrier", "")]
    [InlineData("bar.warp.sync -1;", "DeleteBarrier", "")]
    [InlineData("barrier.sync 1, 64;", "DeleteBarrier", "")]
    [InlineData("bar.arrive 2, 64;", "DeleteArrive", "")]
    [InlineData("griddepcontrol.wait;", "DeleteWait", "")]
    [InlineData("mbarrier.arrive.shared.b64 %rd1, [%r1];", "DeleteArrive", "")]
    [InlineData("cp.async.commit_group;", "DeleteCommit", "")]
    [InlineData("cp.async.wait_all;", "DeleteWait", "")]
    [InlineData("cp.async.wait_group 2;", "DeleteWait", "")]
    [InlineData("cp.async.wait_group 2;", "RaiseWait", "cp.async.wait_group 3;")]
    [InlineData("cp.async.cg.shared.global [%r1], [%rd1+32], 16;", "AccessOffset", "cp.async.cg.shared.global [%r1], [%rd1+16], 16;")]
    [InlineData("st.shared.v2.f32 [%r1+-8], {%f1, %f2};", "DropStore", "")]
    [InlineData("st.shared.v2.f32 [%r1+-8], {%f1, %f2};", "AccessOffset", "st.shared.v2.f32 [%r1+-4], {%f1, %f2};")]
    [InlineData("ld.global.b16 %rs1, [%rd1];", "AccessOffset", "ld.global.b16 %rs1, [%rd1+2];")]
    [InlineData("setp.lt.s32 %p1, %r1, 8;", "Bound", "setp.le.s32 %p1, %r1, 8;")]
    [InlineData("setp.ge.u32 %p1, %r1, 8;", "Bound", "setp.ge.u32 %p1, %r1, 7;")]
    [InlineData("shfl.sync.bfly.b32 %r1, %r2, 16, 31, -1;", "Shuffle", "shfl.sync.bfly.b32 %r1, %r2, 8, 31, -1;")]
    [InlineData("shfl.sync.bfly.b32 %r1, %r2, 16, 31, -1;", "Shuffle", "shfl.sync.bfly.b32 %r1, %r2, 16, 31, 2147483647;")]
    [InlineData("@!%p1 bra L_1;", "NegateGuard", "@%p1 bra L_1;")]
    [InlineData("min.s32 %r1, %r2, %r3;", "MinMax", "max.s32 %r1, %r2, %r3;")]
    [InlineData("sub.rn.f32 %f1, %f2, %f3;", "AddSub", "add.rn.f32 %f1, %f2, %f3;")]
    [InlineData("sub.rn.f32 %f1, %f2, %f3;", "SwapSub", "sub.rn.f32 %f1, %f3, %f2;")]
    [InlineData("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f5,%f6,%f7,%f8};", "FragmentOrder",
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r6,%r5}, {%f5,%f6,%f7,%f8};")]
    public void MutationsOfAnInstruction(string line, string kind, string changed) => Assert.Contains((Enum.Parse<MutationKind>(kind), changed), Drawn(line));

    [Theory]
    [InlineData("add.s32 %r1, %r2, 32;", "IndexConstant", "add.s32 %r1, %r2, 48;")]
    [InlineData("mul.lo.s32 %r1, %r2, 36;", "IndexScale", "mul.lo.s32 %r1, %r2, 37;")]
    [InlineData("mad.lo.s32 %r1, %r2, 36, %r3;", "IndexScale", "mad.lo.s32 %r1, %r2, 35, %r3;")]
    [InlineData("shl.b32 %r1, %r2, 5;", "IndexShift", "shl.b32 %r1, %r2, 4;")]
    [InlineData("add.s32 %r1, %r2, %r3;", "IndexSign", "sub.s32 %r1, %r2, %r3;")]
    [InlineData("sub.s32 %r1, %r2, %r3;", "SwapSub", "sub.s32 %r1, %r3, %r2;")]
    public void MutationsOfWhatReachesAnAddress(string line, string kind, string changed) =>
        Assert.Contains((Enum.Parse<MutationKind>(kind), changed), Drawn(line, "mul.wide.s32 %rd1, %r1, 4;", "add.s64 %rd2, %rd3, %rd1;", "ld.global.f32 %f1, [%rd2];"));

    [Theory]
    [InlineData("ld.param.u64 %rd1, [kernel_param_0+8];")]
    [InlineData("bra.uni L_1;")]
    [InlineData("griddepcontrol.launch_dependents;")]
    [InlineData(".reg .b32 %r<4>;")]
    [InlineData("$L_1:")]
    [InlineData("// bar.sync 0;")]
    [InlineData("{.reg .pred p; setp.lt.s32 p, %r1, 0;}")]
    public void LinesWithoutMutants(string line) => Assert.Empty(Drawn(line));

    [Fact]
    public void BranchesAtWhichLanesGoApartAreMarkedUniform()
    {
        var mutator = new PtxMutator("@%p1 bra L_1;\n@!%p2 bra L_1;\nbra L_1;\n@%p1 bra.uni L_1;\nL_1:");
        Assert.Equal(["@%p1 bra.uni L_1;", "@!%p2 bra.uni L_1;"], mutator.MarkUniform(new HashSet<int> { 1, 2, 3, 4 }, 9).Select(mutant => mutant.After));
        Assert.Equal([2], mutator.MarkUniform(new HashSet<int> { 2 }, 9).Select(mutant => mutant.Line));
        Assert.Single(mutator.MarkUniform(new HashSet<int> { 1, 2 }, 1));
    }

    [Fact]
    public void EqualSeedsDrawEqualMutantsThatDifferInOneLine()
    {
        string text = File.ReadAllText(GoldenFiles.Path("ptx", "gemm_pipeline.ptx")).ReplaceLineEndings("\n");
        HashSet<int> lines = [.. Enumerable.Range(1, 600)];
        IReadOnlyList<Mutant> mutants = new PtxMutator(text).Draw(lines, 40, 5);
        Assert.Equal(mutants, new PtxMutator(text).Draw(lines, 40, 5));
        Assert.NotEqual(mutants, new PtxMutator(text).Draw(lines, 40, 6));
        Assert.True(mutants.Count >= 40);
        Assert.Equal(mutants.Count, mutants.Distinct().Count());
        string[] original = text.Split('\n');
        Assert.All(mutants, mutant => Assert.Equal(mutant.Line, Assert.Single(Enumerable.Range(1, original.Length), line => mutant.Text.Split('\n')[line - 1] != original[line - 1])));
        Assert.All(new PtxMutator(text).Draw(new HashSet<int> { mutants[^1].Line }, 40, 5), mutant => Assert.Equal(mutants[^1].Line, mutant.Line));
    }

    /// <summary>All mutants of a text's first line: with many seeds every choice is drawn.</summary>
    private static HashSet<(MutationKind, string)> Drawn(params string[] text)
    {
        var mutator = new PtxMutator(string.Join('\n', text));
        return [.. Enumerable.Range(0, 200).SelectMany(seed => mutator.Draw(new HashSet<int> { 1 }, 100, seed)).Select(mutant => (mutant.Kind, mutant.After))];
    }
}
