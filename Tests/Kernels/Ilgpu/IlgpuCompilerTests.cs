using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public sealed class IlgpuCompilerTests
{
    [Theory]
    [InlineData("rms_norm")]
    [InlineData("matmul_bf16")]
    public void TwoFreshContextsGiveTheSameText(string name) =>
        Assert.Equal(IlgpuCompiler.Compile(IlgpuKernels.Get(name), 80).Text, IlgpuCompiler.Compile(IlgpuKernels.Get(name), 80).Text);

    [Fact]
    public void TheCacheIsUsedAndADamagedFileIsMadeAgain()
    {
        string folder = Directory.CreateTempSubdirectory("ptx").FullName;
        try
        {
            IlgpuKernel kernel = IlgpuKernels.Get("gelu");
            string text = IlgpuCompiler.Compile(kernel, 89, folder).Text;
            string path = Assert.Single(Directory.GetFiles(folder));
            Assert.Equal(text, File.ReadAllText(path));
            Assert.Equal(text, IlgpuCompiler.Compile(kernel, 89, folder).Text);
            File.WriteAllText(path, text[..^20]);
            Assert.Equal(text, IlgpuCompiler.Compile(kernel, 89, folder).Text);
            Assert.Equal(text, File.ReadAllText(path));
            Assert.Single(Directory.GetFiles(folder));
            IlgpuCompiler.Compile(kernel, 90, folder);
            Assert.Equal(2, Directory.GetFiles(folder).Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void ArgumentsHaveTheSizesOfTheLaunch()
    {
        KernelModule module = IlgpuCompiler.Compile(IlgpuKernels.Get("rms_norm"), 90);
        Assert.Equal([16, 16, 16, 4, 4], module.Spec.Arguments.Select(argument => argument.Bytes));
        Assert.Equal(
            [KernelArgumentKind.View, KernelArgumentKind.View, KernelArgumentKind.View, KernelArgumentKind.Int32, KernelArgumentKind.Float32],
            module.Spec.Arguments.Select(argument => argument.Kind));
    }

    [Fact]
    public void UnknownTargetsAndNamesAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => IlgpuCompiler.Compile(IlgpuKernels.Get("gelu"), 75));
        Assert.Throws<ArgumentException>(() => IlgpuKernels.Get("nothing"));
        var modules = new IlgpuKernelModules();
        Assert.Throws<ArgumentOutOfRangeException>(() => modules.Get("gelu", 75));
        Assert.Throws<ArgumentException>(() => modules.Get("nothing", 90));
    }

    [Fact]
    public void ModulesCompiledOnDemandAreForTheNearestLowerTarget()
    {
        var modules = new IlgpuKernelModules();
        Assert.Equal(IlgpuKernels.All.Count, modules.Names.Count);
        KernelModule module = modules.Get("gelu", 100);
        Assert.Equal(90, module.Spec.Target.Sm);
        Assert.Same(module, modules.Get("gelu", 90));
        Assert.Equal(86, modules.Get("gelu", 87).Spec.Target.Sm);
    }

    [Fact]
    public void AFolderOfModulesStandsForTheCompiler()
    {
        string folder = Directory.CreateTempSubdirectory("modules").FullName;
        try
        {
            Assert.Throws<KernelModuleException>(() => new FolderKernelModules(folder));
            IReadOnlyList<KernelModule> compiled = IlgpuCompiler.CompileAll(80, folder);
            File.WriteAllText(FolderKernelModules.PathOf(folder, "gelu", new KernelTarget(90)), IlgpuCompiler.Compile(IlgpuKernels.Get("gelu"), 90).Text);
            var modules = new FolderKernelModules(folder);
            Assert.Equal(new IlgpuKernelModules().Names, modules.Names);
            foreach (KernelModule expected in compiled)
            {
                KernelModule actual = modules.Get(expected.Name, 86);
                Assert.Equal(expected.Text, actual.Text);
                Assert.Equal(expected.Spec.ToHeader(), actual.Spec.ToHeader());
            }
            Assert.Equal(90, modules.Get("gelu", 120).Spec.Target.Sm);
            Assert.Throws<ArgumentOutOfRangeException>(() => modules.Get("gelu", 75));
            Assert.Throws<ArgumentException>(() => modules.Get("nothing", 90));
            string path = FolderKernelModules.PathOf(folder, "gelu", new KernelTarget(90));
            File.WriteAllText(path, compiled[0].Text);
            Assert.Contains("publish the program again", Assert.Throws<KernelModuleException>(() => modules.Get("gelu", 90)).Message);
            File.WriteAllText(path, compiled[0].Text[..^9]);
            Assert.Contains("publish the program again", Assert.Throws<KernelModuleException>(() => modules.Get("gelu", 90)).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
