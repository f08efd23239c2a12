using System.Collections.Concurrent;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>The device kernels' PTX, compiled once.</summary>
internal static class KernelTexts
{
    private static readonly ConcurrentDictionary<string, Lazy<string>> s_texts = [];

    public static string Get(string kernel) => s_texts.GetOrAdd(kernel, name => new(() => IlgpuCompiler.Compile(IlgpuKernels.Get(name), 80).Text)).Value;
}
