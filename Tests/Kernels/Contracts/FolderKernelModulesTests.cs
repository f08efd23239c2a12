using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.Kernels.Contracts;

/// <summary>Which module of a folder a device gets, and that none is left out without a word.</summary>
public sealed class FolderKernelModulesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(75, null)]
    [InlineData(80, "sm_80")]
    [InlineData(86, "sm_80")]
    [InlineData(90, "sm_90a")]
    // What is for one architecture is nothing for later ones.
    [InlineData(100, "sm_100f")]
    [InlineData(103, "sm_90")]
    [InlineData(120, "sm_90")]
    public void ADeviceGetsItsOwnModuleOrTheLatestBeforeIt(int sm, string? target)
    {
        string folder = Folder(new(80), new(90), new(90, 'a'), new(100, 'f'));
        var modules = new FolderKernelModules(folder);
        Assert.Equal(["k"], modules.Names);
        if (target is null)
        {
            Assert.Contains("they are for sm_100f, sm_80, sm_90, sm_90a.", Assert.Throws<ArgumentOutOfRangeException>(() => modules.Get("k", sm)).Message, StringComparison.Ordinal);
            return;
        }
        Assert.Equal(target, modules.Get("k", sm).Spec.Target.ToString());
    }

    [Fact]
    public void AnExactTargetAloneIsForItsDeviceAlone()
    {
        var modules = new FolderKernelModules(Folder(new KernelTarget(90, 'a')));
        Assert.Equal("sm_90a", modules.Get("k", 90).Spec.Target.ToString());
        foreach (int sm in (int[])[89, 100, 120])
        {
            Assert.Contains($"sm_{sm} takes no module of 'k'", Assert.Throws<ArgumentOutOfRangeException>(() => modules.Get("k", sm)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("k.sm_90b.ptx")]
    [InlineData("k.ptx")]
    [InlineData("k.90.ptx")]
    [InlineData("k.sm_090.ptx")]
    [InlineData(".sm_90.ptx")]
    [InlineData("k.v2.sm_90.ptx")]
    [InlineData("k.sm_90.PTX")]
    public void AFileThatIsNotUnderstoodIsNamed(string file)
    {
        string folder = Folder(new KernelTarget(80));
        string path = Path.Combine(folder, file);
        File.WriteAllText(path, "");
        Assert.StartsWith($"{path} is not named as a module", Assert.Throws<KernelModuleException>(() => new FolderKernelModules(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AModuleUnderAnotherTargetsNameIsRefused()
    {
        string folder = Folder(new KernelTarget(90));
        File.Move(FolderKernelModules.PathOf(folder, "k", new KernelTarget(90)), FolderKernelModules.PathOf(folder, "k", new KernelTarget(90, 'a')));
        Assert.Contains("is the module of 'k' for sm_90.", Assert.Throws<KernelModuleException>(() => new FolderKernelModules(folder).Get("k", 90)).Message, StringComparison.Ordinal);
    }

    private string Folder(params KernelTarget[] targets)
    {
        string folder = _scratch.Path("kernels");
        Directory.CreateDirectory(folder);
        // No module, and no text that claims to be one.
        File.WriteAllText(Path.Combine(folder, "README"), "");
        foreach (KernelTarget target in targets)
        {
            var module = KernelModule.Create(new KernelSpec("k", target, []), $".version 8.8\n.target {target}\n");
            File.WriteAllText(FolderKernelModules.PathOf(folder, "k", target), module.Text);
        }
        return folder;
    }
}
