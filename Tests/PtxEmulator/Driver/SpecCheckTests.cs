using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>The heads of modules against their texts and their launches.</summary>
public sealed class SpecCheckTests : IDisposable
{
    private static readonly KernelModule s_add = EmulatedBackend.Modules.Get("residual_add", 90);

    private readonly EmulatedCudaDriver _driver = new();
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaMemory _memory;

    public SpecCheckTests()
    {
        _context = CudaContext.RetainPrimary(_driver);
        _stream = CudaStream.Create(_context);
        _memory = CudaMemory.Allocate(_context, 1024);
        _memory.Write<byte>(new byte[1024]);
    }

    public void Dispose()
    {
        _memory.Dispose();
        _stream.Dispose();
        _context.Dispose();
        _driver.Dispose();
    }

    [Fact]
    public void ALaunchThatAgreesRuns()
    {
        Launch(new CudaLaunchConfig(new(1), new(32)), new(_memory.Address, 8));
        // A view of nothing is one.
        Launch(new CudaLaunchConfig(new(1), new(32)), default, 0);
        _stream.Synchronize();
        Assert.Empty(_driver.Findings);
    }

    [Theory]
    [InlineData(16, false, false, 8, "16 bytes of dynamic shared memory where the kernel takes 0")]
    [InlineData(0, true, false, 8, "clusters of (1, 1, 1) where the kernel takes none")]
    [InlineData(0, false, true, 8, "programmatic dependent launch of a kernel that is not made for it")]
    [InlineData(0, false, false, -1, "argument 'x' is a view")]
    public void ALaunchThatDisagreesIsAFinding(int shared, bool cluster, bool dependent, long elements, string expected)
    {
        var config = new CudaLaunchConfig(new(1), new(32), shared) { Cluster = cluster ? new CudaDim3(1) : null, ProgrammaticSerialization = dependent };
        CudaException error = Assert.Throws<CudaException>(() => Launch(config, new(_memory.Address, elements)));
        Assert.Equal(CudaResult.LaunchFailed, error.Result);
        PtxFinding finding = Assert.Single(_driver.Findings);
        Assert.Equal((PtxFindingKind.Launch, "residual_add"), (finding.Kind, finding.Kernel));
        Assert.Contains(expected, finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAddressOfNothingIsAFinding()
    {
        Assert.Throws<CudaException>(() => Launch(new CudaLaunchConfig(new(1), new(32)), new(0, 8)));
        Assert.Contains("0x0 with 8 elements is none", Assert.Single(_driver.Findings).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ItIsFoundWhileALaunchIsCaptured()
    {
        using CudaModule module = CudaModule.Load(_context, s_add.Text);
        Assert.Throws<CudaException>(() => _stream.Capture(() => Launch(module, new CudaLaunchConfig(new(1), new(32), 16), new(_memory.Address, 8))));
        Assert.Equal(PtxFindingKind.Launch, Assert.Single(_driver.Findings).Kind);
    }

    [Theory]
    [InlineData("// target: sm_90\n", "// target: sm_80\n", "the head says target sm_80, the text sm_90")]
    [InlineData("// kernel: residual_add\n", "// kernel: other\n", "no such entry")]
    [InlineData("count int64\n", "count int32\n", "the head says arguments at (0, 16), (16, 16), (32, 4)")]
    [InlineData("// argument: count int64\n", "", "the text declares (0, 16), (16, 16), (32, 8)")]
    [InlineData("// argument: x view\n", "// argument: x tensormap\n", "the head says arguments at (0, 128)")]
    public void AHeadThatIsAnotherTextsIsRefused(string part, string with, string expected)
    {
        Assert.Contains(part, s_add.Text, StringComparison.Ordinal);
        CudaException error = Assert.Throws<CudaException>(() => CudaModule.Load(_context, s_add.Text.Replace(part, with, StringComparison.Ordinal)));
        Assert.Equal(CudaResult.InvalidPtx, error.Result);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Every kind against every declaration: what is as wide but something else, too.</summary>
    [Theory]
    [InlineData(".u32 p", KernelArgumentKind.Int32)]
    [InlineData(".s32 p", KernelArgumentKind.Int32)]
    [InlineData(".b32 p", KernelArgumentKind.Int32)]
    [InlineData(".f32 p", KernelArgumentKind.Float32)]
    [InlineData(".u64 p", KernelArgumentKind.Int64)]
    [InlineData(".s64 p", KernelArgumentKind.Int64)]
    [InlineData(".b64 p", KernelArgumentKind.Int64)]
    [InlineData(".f64 p", null)]
    [InlineData(".f16x2 p", null)]
    [InlineData(".u16 p", null)]
    [InlineData(".align 8 .b8 p[8]", null)]
    [InlineData(".align 4 .b8 p[4]", null)]
    [InlineData(".align 8 .b8 p[16]", KernelArgumentKind.View)]
    [InlineData(".b64 p[2]", KernelArgumentKind.View)]
    [InlineData(".align 4 .b8 p[16]", null)]
    [InlineData(".align 8 .f32 p[4]", null)]
    [InlineData(".align 64 .b8 p[128]", KernelArgumentKind.TensorMap)]
    [InlineData(".align 16 .b8 p[128]", null)]
    public void AnArgumentIsDeclaredAsWhatTheHeadSays(string declaration, KernelArgumentKind? kind)
    {
        var text = PtxModule.Parse($".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k(.param {declaration})\n.maxntid 32\n{{ ret; }}\n");
        foreach (KernelArgumentKind said in Enum.GetValues<KernelArgumentKind>())
        {
            string? difference = SpecCheck.Difference(new KernelSpec("k", new KernelTarget(90), [new KernelArgument("p", said)]) { MaxThreads = 32 }, text);
            Assert.Equal(said == kind, difference is null);
        }
    }

    [Fact]
    public void AScalarOfAnotherKindIsRefusedWhenItsModuleLoads()
    {
        KernelModule norm = EmulatedBackend.Modules.Get("rms_norm", 90);
        foreach ((string part, string with) in ((string, string)[])[("// argument: eps float32\n", "// argument: eps int32\n"), ("// argument: columns int32\n", "// argument: columns float32\n")])
        {
            Assert.Contains(part, norm.Text, StringComparison.Ordinal);
            CudaException error = Assert.Throws<CudaException>(() => CudaModule.Load(_context, norm.Text.Replace(part, with, StringComparison.Ordinal)));
            Assert.Equal(CudaResult.InvalidPtx, error.Result);
            Assert.Matches("the head says argument '(eps|columns)' is (Int32|Float32), the text declares [.](f32|b32) of 4 bytes", error.Message);
        }
    }

    [Fact]
    public void ADamagedHeadIsRefused()
    {
        CudaException error = Assert.Throws<CudaException>(() => CudaModule.Load(_context, s_add.Text.Replace("// ---\n", "", StringComparison.Ordinal)));
        Assert.Equal(CudaResult.InvalidPtx, error.Result);
    }

    /// <summary>What a text's own directives demand, a driver refuses before; what only the head says, nobody else would.</summary>
    [Fact]
    public void ABlockIsTheKernelsOwn()
    {
        KernelSpec spec = PtxKernelModules.All.Get("matvec1_int4", 90).Spec;
        Assert.NotNull(spec.Block);
        byte[] parameters = new byte[spec.ArgumentBytes];
        Assert.Null(SpecCheck.Difference(spec, spec.Configure(new(1), spec.Block.Value), parameters));
        Assert.Contains("a block of (64, 1, 1)", SpecCheck.Difference(spec, spec.Configure(new(1), new(64)), parameters), StringComparison.Ordinal);
        Assert.Contains("bytes of dynamic shared memory", SpecCheck.Difference(spec, new CudaLaunchConfig(new(1), spec.Block.Value), parameters), StringComparison.Ordinal);
        // A kernel that may overlap need not.
        Assert.Null(SpecCheck.Difference(spec, spec.Configure(new(1), spec.Block.Value) with { ProgrammaticSerialization = false }, parameters));
        var maps = new KernelSpec("k", new KernelTarget(90), [new KernelArgument("map", KernelArgumentKind.TensorMap)]);
        Assert.Contains("no tensor map", SpecCheck.Difference(maps, maps.Configure(new(1), new(32)), new byte[128]), StringComparison.Ordinal);
    }

    /// <summary>All texts agree with their heads, or none of them would load.</summary>
    [Fact]
    public void EveryTextAgreesWithItsHead()
    {
        var all = new CombinedKernelModules(PtxKernelModules.All, EmulatedBackend.Modules);
        foreach (int sm in (int[])[80, 90])
        {
            Assert.All(all.Names, name => Assert.Null(SpecCheck.Difference(all.Get(name, sm).Spec, PtxModule.Parse(all.Get(name, sm).Text))));
        }
    }

    private void Launch(CudaLaunchConfig config, DeviceView x, long count = 8)
    {
        using CudaModule module = CudaModule.Load(_context, s_add.Text);
        Launch(module, config, x, count);
        _stream.Synchronize();
    }

    private void Launch(CudaModule module, CudaLaunchConfig config, DeviceView x, long count = 8)
    {
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(x).Add(new DeviceView(count == 0 ? 0 : _memory.Address + 512, count)).Add(count);
        module.GetFunction("residual_add").Launch(_stream, config, arguments);
    }
}
