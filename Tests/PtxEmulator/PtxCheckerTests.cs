using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.PtxEmulator.Checking;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.PtxEmulator;

/// <summary>Whole modules: what compilers and people wrote is clean; names, calls and directives are checked.</summary>
public sealed class PtxCheckerTests
{
    private const string Header = ".version 9.0\n.target sm_90a\n.address_size 64\n";

    public static TheoryData<string> Modules =>
        [.. new[] { "ptx", "ptx-forms" }.SelectMany(folder => Directory.EnumerateFiles(GoldenFiles.Path(folder), "*.ptx").Select(path => $"{folder}/{Path.GetFileName(path)}")).Order(StringComparer.Ordinal)];

    private static IEnumerable<string> Errors(string text) =>
        PtxChecker.Check(text).Where(one => one.Severity == PtxSeverity.Error).Select(one => one.ToString());

    [Theory]
    [MemberData(nameof(Modules))]
    public void AssembledModulesHaveNoErrors(string name) => Assert.Empty(Errors(File.ReadAllText(GoldenFiles.Path(name.Split('/')))));

    [Theory]
    [InlineData(80)]
    [InlineData(90)]
    public void OurOwnKernelsHaveNoErrors(int sm)
    {
        string folder = Directory.CreateTempSubdirectory("ptx").FullName;
        try
        {
            IlgpuCompiler.CompileAll(sm, folder);
            string[] files = Directory.GetFiles(folder, "*.ptx");
            Assert.NotEmpty(files);
            Assert.All(files, file => Assert.Empty(Errors(File.ReadAllText(file))));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(".entry k() { .reg .b32 a; add.u32 a, b, 1; }", "(4,38): error: Unknown symbol 'b'")]
    [InlineData(".entry k() { .reg .b32 a; @a ret; }", "(4,30): error: A guard must be a predicate register")]
    [InlineData(".entry k() { @q ret; }", "(4,17): error: Unknown symbol 'q'")]
    [InlineData(".entry k() { .reg .b32 a; ld.shared.b32 a, [b]; }", "(4,45): error: Unknown symbol 'b'")]
    [InlineData(".entry k() { .reg .b32 a; T: .branchtargets L; brx.idx a, T; }", "(4,59): error: Unknown symbol 'L'")]
    [InlineData(".entry k() { call f; }", "(4,19): error: Unknown symbol 'f'")]
    [InlineData(".func f(.reg .b32 x) { ret; } .entry k() { call f; }", "(4,49): error: 'f' takes 1 arguments and gives 0 results")]
    [InlineData(".entry k() { .reg .b64 a; call a; }", "(4,32): error: An indirect call needs a prototype or a list of targets")]
    [InlineData(".entry f() { ret; } .entry k() { call f; }", "(4,39): error: 'f' cannot be called")]
    [InlineData(".entry k(.param .u32 n) { .reg .b32 n; }", "(4,37): error: Duplicate definition of 'n'.")]
    [InlineData(".entry k() { .reg .b32 %r<5>; .reg .b32 %r3; }", "(4,41): error: Duplicate definition of '%r3'.")]
    [InlineData(".entry k() { .reg .b32 %r3; .reg .b32 %r<5>; }", "(4,39): error: Duplicate definition of '%r'.")]
    [InlineData(".entry k() { .reg .b32 r1<5>; .reg .b32 r<20>; }", "(4,41): error: Duplicate definition of 'r'.")]
    [InlineData(".entry k() { .reg .b32 L; L: ret; }", "(4,27): error: Duplicate definition of 'L'.")]
    [InlineData(".entry k() .reqntid 32 .maxntid 64 { ret; }", "(4,8): error: Directives '.reqntid' and '.maxntid' exclude each other")]
    [InlineData(".entry k() .reqntid 64,32 { ret; }", "(4,8): error: Directive '.reqntid' asks for more than 1024 threads")]
    [InlineData(".entry k() .maxnctapersm 2 { ret; }", "(4,8): error: Unsupported directive '.maxnctapersm'")]
    [InlineData(".entry k() .maxntid { ret; }", "(4,8): error: Directive '.maxntid' takes 1 to 3 numbers above 0")]
    [InlineData(".entry k(.param .align 4 .b8 p[32768]) { ret; }", "(4,8): error: The parameters of 'k' take 32768 bytes; 32764 are allowed")]
    [InlineData(".entry k() { .reg .v4 .b32 v; add.u32 v.x, v, 1; }", "(4,44): error: Argument vector size mismatch for instruction 'add'")]
    public void ErrorsInModulesHaveTheirPlace(string text, string expected) => Assert.Equal([expected], Errors(Header + text));

    [Fact]
    public void NamesOfInnerBlocksVectorsAndCallsAreFound() => Assert.Empty(PtxChecker.Check(Header + """
        .func (.reg .b32 y) f(.reg .b32 x) { add.u32 y, x, 1; ret; }
        .entry k() .reqntid 128 .minnctapersm 1
        {
          .reg .b32 a; .reg .v4 .b32 v; .reg .b64 p; .reg .pred q;
          { .reg .b64 a; mov.u64 a, 0; }
          mov.u32 a, WARP_SZ;
          mov.u64 p, f;
          P: .callprototype (.reg .b32 _) _ (.reg .b32 _);
          call (a), f, (a);
          call (a), p, (a), P;
          setp.eq.u32 q, a, 4 * 8;
          @!q bra DONE;
          ld.global.v4.b32 v, [p];
          add.u32 a, v.x, v.w;
        DONE: ret;
        }
        """));

    [Fact]
    public void ATuningDirectiveWithoutEffectIsAWarning() =>
        Assert.Equal(PtxSeverity.Warning, Assert.Single(PtxChecker.Check(Header + ".entry k() .minnctapersm 2 { ret; }")).Severity);

    [Fact]
    public void SetmaxnregWithoutAFixedCountAtEntryIsAWarning()
    {
        IReadOnlyList<PtxDiagnostic> found = PtxChecker.Check(File.ReadAllText(GoldenFiles.Path("ptx-forms", "wgmma-c7508-setmaxnreg-nocap.ptx")));
        Assert.Contains(found, one => one.Message.Contains("'setmaxnreg' ignored", StringComparison.Ordinal));
        Assert.Empty(PtxChecker.Check(File.ReadAllText(GoldenFiles.Path("ptx-forms", "setmaxnreg.ptx"))));
    }

    [Theory]
    [InlineData(".global .u64 t[2] = {f, 0};", "(4,22): error: Unknown symbol 'f'")]
    [InlineData(".global .u32 t[2] = {1, 2, 3};", "(4,22): error: 't' has more initial values than elements")]
    public void InitialValuesAreChecked(string text, string expected) => Assert.Equal([expected], Errors(Header + text));

    /// <summary>Damaged texts end in diagnostics, never in another exception.</summary>
    [Fact]
    public void DamagedTextsAreRefusedCleanly()
    {
        const string Junk = "{}[]()<>,;:+-=!|@*/&^~%._09afx\"\n";
        string[] texts = [.. Modules.Select(row => File.ReadAllText(GoldenFiles.Path(row.Data.Split('/')))).Where(text => text.Length < 6000)];
        var random = new Random(11);
        int refused = 0;
        for (int i = 0; i < 3000; i++)
        {
            string text = texts[random.Next(texts.Length)];
            int at = random.Next(text.Length);
            int end = Math.Min(text.Length, at + random.Next(12));
            text = random.Next(8) == 0 ? text[..at] : text[..at] + Junk[random.Next(Junk.Length)] + text[end..];
            refused += PtxChecker.Check(text).Any(one => one.Severity == PtxSeverity.Error) ? 1 : 0;
        }
        Assert.InRange(refused, 1000, 2999);
        string deep = Header + ".entry k() { mov.b32 a, " + new string('[', 100_000);
        Assert.Contains("Nested", Assert.Single(Errors(deep)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheCommandPrintsPlacesAndFailsOnErrors()
    {
        using var scratch = new ScratchFolder();
        string good = scratch.Write("good.ptx", Header + ".entry k() { fence.gpu; ret; }");
        string bad = scratch.Write("wrong.ptx", Header + ".entry k() { add.b32 a, a, 1; }");
        CliRun clean = await CliRun.Of("ptx", "check", good);
        Assert.Equal((0, "1 files, 0 errors, 1 warnings"), (clean.ExitCode, clean.Out.TrimEnd().Split('\n')[^1]));
        Assert.Contains($"{good}(4,14): warning: 'fence' without semantics", clean.Out, StringComparison.Ordinal);
        CliRun folder = await CliRun.Of("ptx", "check", Path.GetDirectoryName(good)!, "--errors-only");
        Assert.Equal(1, folder.ExitCode);
        Assert.Equal([$"{bad}(4,14): error: Unexpected instruction types specified for 'add'", "2 files, 1 errors, 1 warnings"], folder.Out.TrimEnd().Split('\n'));
        (await CliRun.Of("ptx", "check", scratch.Path("absent.ptx"))).AssertFails("absent.ptx");
        (await CliRun.Of("ptx", "check", Directory.CreateDirectory(scratch.Path("empty")).FullName)).AssertFails("No .ptx files");
    }
}
