using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Kernels.Contracts;

/// <summary>What is said about a kernel, once, in the head of its module's text.</summary>
public sealed class KernelSpecTests
{
    private static readonly KernelArgument[] s_arguments =
    [
        new("rows", KernelArgumentKind.Int32), new("x", KernelArgumentKind.View), new("scale", KernelArgumentKind.Float32),
        new("map", KernelArgumentKind.TensorMap), new("count", KernelArgumentKind.Int32), new("stride", KernelArgumentKind.Int64),
    ];

    [Fact]
    public void ArgumentsLieWherePtxPutsThem()
    {
        var spec = new KernelSpec("k", new KernelTarget(90, 'a'), s_arguments);
        Assert.Equal([0, 8, 24, 64, 192, 200], spec.Offsets.ToArray());
        Assert.Equal(208, spec.ArgumentBytes);
    }

    [Fact]
    public void TheHeadSaysEverything()
    {
        var spec = new KernelSpec("k", new KernelTarget(90, 'a'), s_arguments)
        {
            Block = new CudaDim3(128, 2),
            SharedBytes = 100_000,
            Cluster = new CudaDim3(2),
            DependentLaunch = true,
        };
        KernelModule module = KernelModule.Parse(KernelModule.Create(spec, ".version 8.0\n").Text);
        Assert.Equal(spec.ToHeader(), module.Spec.ToHeader());
        Assert.Equal(("k", "sm_90a", 256), (module.Name, module.Spec.Target.ToString(), module.Spec.MaxThreads));
        Assert.Equal(s_arguments, module.Spec.Arguments);
        CudaLaunchConfig config = module.Spec.Configure(new CudaDim3(8), new CudaDim3(128, 2));
        Assert.Equal(new CudaLaunchConfig(new CudaDim3(8), new CudaDim3(128, 2), 100_000) { Cluster = new CudaDim3(2), ProgrammaticSerialization = true }, config);

        var plain = new KernelSpec("p", new KernelTarget(80), []) { MaxThreads = 256 };
        Assert.Equal(plain.ToHeader(), KernelSpec.Parse(plain.ToHeader()).ToHeader());
        Assert.Null(KernelSpec.Parse(plain.ToHeader()).Block);
    }

    [Theory]
    [InlineData("// argument: x view", "// argument: x widget")]
    [InlineData("// argument: x view", "// argument: x")]
    [InlineData("// kernel: k", "// kernels: k")]
    [InlineData("// target: sm_90", "// target: sm_x")]
    [InlineData("// block: 32 1 1", "// block: 32 1")]
    [InlineData("// block: 32 1 1", "// threads: many")]
    [InlineData("// kernel: k\n", "")]
    [InlineData("// ---\n", "")]
    public void AHeadThatIsNoneIsRefused(string part, string with)
    {
        string head = new KernelSpec("k", new KernelTarget(90), [new KernelArgument("x", KernelArgumentKind.View)]) { Block = new CudaDim3(32) }.ToHeader();
        Assert.Contains(part, head);
        Assert.Throws<FormatException>(() => KernelSpec.Parse(head.Replace(part, with, StringComparison.Ordinal)));
    }

    [Fact]
    public void ATargetWithAnATakesJustThatDevice()
    {
        Assert.True(KernelTarget.TryParse("90a", out KernelTarget exact) && KernelTarget.TryParse("sm_80", out KernelTarget open) && !open.IsExact && exact.IsExact);
        Assert.Equal([false, true, false], new[] { 89, 90, 100 }.Select(exact.Runs));
        Assert.Equal([false, true, true], new[] { 75, 80, 120 }.Select(new KernelTarget(80).Runs));
        Assert.True(KernelTarget.TryParse("sm_100f", out KernelTarget family) && family.IsExact && family.ToString() == "sm_100f" && !family.Runs(120));
        Assert.All(["", "a", "90b", "sm_", "-1"], text => Assert.False(KernelTarget.TryParse(text, out _)));
    }

    /// <summary>Head and text cannot say different things: the launcher reads the one, the driver the other.</summary>
    [Fact]
    public void EveryModulesHeadIsWhatItsEntryDeclares()
    {
        Assert.NotEmpty(EmulatedBackend.Modules.Names);
        foreach (string name in EmulatedBackend.Modules.Names)
        {
            KernelModule module = EmulatedBackend.Modules.Get(name, 90);
            PtxModule parsed = PtxModule.Parse(module.Text);
            using var memory = new GlobalMemory();
            using PtxProgram program = PtxProgram.Load(parsed, memory);
            PtxKernel entry = program.Kernel(name)!;
            Assert.Equal(module.Spec.Arguments.Select((argument, i) => (module.Spec.Offsets[i], argument.Bytes)), entry.Parameters.Select(parameter => (parameter.Offset, parameter.Bytes)));
            PtxEntry declared = parsed.EntryPoints.Single();
            Assert.Equal(module.Spec.MaxThreads, declared.MaxThreads);
            Assert.Equal(module.Spec.Block is CudaDim3 block ? (block.X, block.Y, block.Z) : null, declared.RequiredBlock);
        }
    }
}
