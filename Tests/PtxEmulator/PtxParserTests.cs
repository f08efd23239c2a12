using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator;

/// <summary>What the parser accepts and where it says an error is.</summary>
public class PtxParserTests
{
    private const string Header = ".version 9.0\n.target sm_80\n.address_size 64\n";

    public static TheoryData<string> Corpus =>
        [.. Directory.EnumerateFiles(GoldenFiles.Path("ptx"), "*.ptx").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Corpus))]
    public void EveryModuleOfTheCorpusParses(string name)
    {
        PtxModule module = PtxModule.Parse(File.ReadAllText(GoldenFiles.Path("ptx", name + ".ptx")));
        Assert.Equal([name], module.Entries);
        Assert.Equal("9.0", module.Version);
        FunctionSymbol entry = module.Functions.Single(function => function.IsEntry);
        Assert.Contains(entry.Body, instruction => instruction.Text == "ret");
    }

    [Fact]
    public void EveryOpcodeOfTheCorpusIsFound()
    {
        var cases = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (string path in Directory.EnumerateFiles(GoldenFiles.Path("ptx"), "*.ptx"))
        {
            PtxModule module = PtxModule.Parse(File.ReadAllText(path));
            foreach (string opcode in module.Functions.SelectMany(function => function.Body).Select(instruction => instruction.Text).Distinct())
            {
                cases[opcode] = cases.GetValueOrDefault(opcode) + 1;
            }
        }
        string[] expected = File.ReadAllLines(GoldenFiles.Path("ptx", "opcodes.txt"));
        Assert.Equal(expected.Where(line => line.Length > 0).Order(StringComparer.Ordinal), cases.Select(entry => $"{entry.Key} {entry.Value}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void VariablesAndOperandsAreUnderstood()
    {
        PtxModule module = PtxModule.Parse(Header + """
            .const .align 8 .b8 table[3] = {1, 2, 0xff};
            .entry k(.param .u64 p, .param .u8 q, .param .align 8 .b8 s[12]) {
              .reg .b32 %r<3>; .reg .pred p1; .shared .align 16 .b8 sh[20]; .shared .f64 d;
              @!p1 ld.global.v4.f32 {%r0, _, %r1, %r2}, [%r0+-4];
              L: mov.f32 %r0, 0f3F800000; mov.b32 %r1, -7;
            }
            """);
        FunctionSymbol entry = Assert.Single(module.Functions);
        Assert.Equal([0L, 8, 16], entry.Parameters.Select(parameter => parameter.Offset));
        Assert.Equal(28, entry.ParameterSize);
        Assert.Equal(32, module.SharedSize);
        Assert.Equal([1UL, 2, 255], Assert.Single(module.Variables).Initial!.Select(value => value.Bits));
        PtxInstruction load = entry.Body[0];
        Assert.True(load.Guard!.Negated);
        Assert.Equal([OperandKind.Name, OperandKind.Sink, OperandKind.Name, OperandKind.Name], load.Operands[0].Parts.Select(part => part.Kind));
        Assert.Equal(-4, load.Operands[1].Offset);
        Assert.Equal(1.0, BitConverter.UInt64BitsToDouble(entry.Body[1].Operands[1].Bits));
        Assert.Equal(-7, (long)entry.Body[2].Operands[1].Bits);
        Assert.Equal(new LabelSymbol("L", 1), load.Scope.Find("L"));
        Assert.Equal("b32", Assert.IsType<RegisterSymbol>(load.Scope.Find("%r2")).Type);
        Assert.Null(load.Scope.Find("%r3"));
    }

    [Fact]
    public void InnerBlocksHideNames()
    {
        PtxModule module = PtxModule.Parse(Header + ".entry k() { .reg .b32 x; { .reg .b64 x; neg.s64 x, x; } neg.s32 x, x; }");
        Assert.Equal(["b64", "b32"], module.Functions[0].Body.Select(instruction => ((RegisterSymbol)instruction.Scope.Find("x")!).Type));
    }

    [Theory]
    [InlineData(".entry k() { .reg .b32 r; add.s32 r, r; # }", 4, 41, "Unexpected character '#'.")]
    [InlineData(".entry k() { .reg .b33 r; }", 4, 19, "Unknown type '.b33'.")]
    [InlineData(".entry k() { ret }", 4, 18, "An operand was expected, not '}'.")]
    [InlineData(".entry k() {\n  ret;", 5, 7, "'}' is missing.")]
    [InlineData(".entry k(.param .u32 n) { .reg .b32 n; .reg .b32 n; }", 4, 37, "Duplicate definition of 'n'.")]
    [InlineData(".entry k() { mov.b32 a, 0f3F80; }", 4, 25, "'0f3F80' is no number.")]
    [InlineData(".entry k() { mov.b32 a, 99999999999999999999; }", 4, 25, "99999999999999999999 does not fit 64 bits.")]
    [InlineData(".entry k() { } /* open", 4, 16, "The comment has no end.")]
    [InlineData(".entry k() { mov.b32 a, b c; }", 4, 27, "';' expected, not 'c'.")]
    [InlineData(".wrong", 4, 1, "Unknown directive '.wrong'.")]
    [InlineData(".entry k() { L: ret; L: ret; }", 4, 22, "Duplicate definition of 'L'.")]
    [InlineData(".entry k() { .reg .b32 %r<3>; .reg .b32 %r2; }", 4, 41, "Duplicate definition of '%r2'.")]
    [InlineData(".global .b32 g[4/0];", 4, 18, "Division by zero.")]
    [InlineData(".global .b32 g[0x40000000][4];", 4, 28, "The array is too large.")]
    [InlineData(".global .align 3 .b32 g;", 4, 16, "An alignment is a power of two.")]
    [InlineData(".entry k(.reg .b32 a) { }", 4, 10, "'.param' expected, not '.reg'.")]
    [InlineData(".entry k() { mov.b32 a, 0b12; }", 4, 25, "'0b12' is no number.")]
    [InlineData(".version", 4, 9, "The text ends too early.")]
    [InlineData(".entry k() { ld.b32 a, [b; }", 4, 26, "']' expected, not ';'.")]
    public void ErrorsHaveLineAndColumn(string text, int line, int column, string message)
    {
        PtxSyntaxException error = Assert.Throws<PtxSyntaxException>(() => PtxModule.Parse(Header + text));
        Assert.Equal($"line {line}, column {column}: {message}", error.Message);
        Assert.Equal((line, column), (error.Line, error.Column));
    }

    [Fact]
    public void EntriesTellWhatTheirCallersNeed()
    {
        PtxModule module = PtxModule.Parse(Header + """
            .entry a(.param .u64 p, .param .u8 q, .param .align 8 .b8 s[12]) .reqntid 64, 2 .reqnctapercluster 2, 1, 1 .minnctapersm 3 { ret; }
            .entry b() .maxntid 96 .maxnreg 40 { ret; }
            .entry c() { ret; }
            """);
        PtxEntry first = module.EntryPoints[0];
        Assert.Equal([new("p", "u64", 0, 8, 8), new("q", "u8", 8, 1, 1), new PtxParameter("s", "b8", 16, 12, 8)], first.Parameters);
        Assert.Equal(("a", 28, 128, (64, 2, 1), (2, 1, 1)), (first.Name, first.ParameterBytes, first.MaxThreads, first.RequiredBlock, first.RequiredCluster));
        Assert.Equal([("b", 96), ("c", 1024)], module.EntryPoints.Skip(1).Select(entry => (entry.Name, entry.MaxThreads)));
        Assert.All(module.EntryPoints.Skip(1), entry => Assert.True(entry.RequiredBlock is null && entry.RequiredCluster is null));
        Assert.Equal([3], module.Functions[0].Directives["minnctapersm"]);
        Assert.Equal([40], module.Functions[1].Directives["maxnreg"]);
    }

    [Fact]
    public void FunctionsTakeRegistersAndRegistersMayBeVectors()
    {
        PtxModule module = PtxModule.Parse(Header + ".func (.reg .b32 y, .param .b64 z) f(.reg .v4 .f32 x, .param .u32 n) { .reg .v2 .b32 w<3>; ret; }");
        FunctionSymbol function = Assert.Single(module.Functions);
        Assert.Equal([new RegisterSymbol("y", "b32"), function.Returns[0]], function.Results);
        Assert.Equal([new RegisterSymbol("x", "f32") { Lanes = 4 }, function.Parameters[0]], function.Arguments);
        Assert.Equal(new RegisterSymbol("w2", "b32") { Lanes = 2 }, function.Body[0].Scope.Find("w2"));
    }

    [Fact]
    public void ConstantExpressionsAndSymbolsAreInitialValues()
    {
        PtxModule module = PtxModule.Parse(Header + """
            .global .b32 n[2 * 4 - 1] = {1 + 2 * 3, (1 + 2) * 3, -8 / 3, 7 % 4, 1 << 4 | 3, ~0 & 0xf, 6 ^ 3};
            .global .u64 s[] = {n, n + 4 * 2, generic(n) + 8};
            .entry k() { .reg .b32 r; .reg .b64 a; mov.b32 r, 4 * 8; ld.b32 r, [a + 2 * 8 - 4]; }
            """);
        Assert.Equal([7, 9, -2, 3, 19, 15, 5], module.Variables[0].Initial!.Select(value => (long)value.Bits));
        Assert.Equal((28, 24), (module.Variables[0].Size, module.Variables[1].Size));
        Assert.Equal([("n", 0, false), ("n", 8, false), ("n", 8, true)], module.Variables[1].Initial!.Select(value => (value.Name, value.Offset, value.Generic)));
        Assert.Equal((32UL, 12), (module.Functions[0].Body[0].Operands[1].Bits, module.Functions[0].Body[1].Operands[1].Offset));
    }

    [Fact]
    public void AModuleNeedsItsHeader() =>
        Assert.Contains(".version and .target", Assert.Throws<PtxSyntaxException>(() => PtxModule.Parse(".entry k() { ret; }")).Message);
}
