using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Tests.Tools;

/// <summary>Kernels that were published with the program, and what happens without them.</summary>
public sealed class DeviceModulesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void WithoutAFolderTheCompilerIsTaken() =>
        Assert.IsType<IlgpuKernelModules>(DeviceModules.Find(_scratch.Path("kernels")));

    [Fact]
    public async Task WhatPtxDumpWritesIsPreferredAndWhole()
    {
        string folder = _scratch.Path("kernels");
        // As publishing calls it.
        CliRun dump = await CliRun.Of("ptx", "dump", "--sm", "80", "--out", folder);
        Assert.Equal(0, dump.ExitCode);
        var modules = Assert.IsType<FolderKernelModules>(DeviceModules.Find(folder));
        Assert.Equal(80, modules.Get("gelu", 90).Spec.Target.Sm);
        Assert.DoesNotContain(KernelChoices.List(modules), choice => choice.Source != "compiled ahead of time" && !PtxKernelModules.All.Names.Contains(choice.Kernel));

        string path = FolderKernelModules.PathOf(folder, "gelu", new KernelTarget(80));
        string text = File.ReadAllText(path);
        File.WriteAllText(path, text.Replace(".target sm_80", ".target sm_90", StringComparison.Ordinal));
        KernelModuleException damaged = Assert.Throws<KernelModuleException>(() => modules.Get("gelu", 90));
        Assert.Contains(path, damaged.Message, StringComparison.Ordinal);
        Assert.Contains("publish the program again", damaged.Message, StringComparison.Ordinal);
        Assert.IsType<FormatException>(damaged.InnerException);

        File.Delete(path);
        KernelModuleException missing = Assert.Throws<KernelModuleException>(() => DeviceModules.Find(folder));
        Assert.Contains($"lacks 1 of {IlgpuKernels.All.Count} device kernels, 'gelu'", missing.Message, StringComparison.Ordinal);
        Assert.Contains("Publish the program again, or delete the folder", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEmptyFolderIsNoCompiler()
    {
        // A program without a compiler has no other choice than to say so.
        Assert.Contains("There is no folder", Assert.Throws<KernelModuleException>(() => new FolderKernelModules(_scratch.Path("kernels"))).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(_scratch.Path("kernels"));
        Assert.Contains("holds no modules", Assert.Throws<KernelModuleException>(() => DeviceModules.Find(_scratch.Path("kernels"))).Message, StringComparison.Ordinal);
    }
}
