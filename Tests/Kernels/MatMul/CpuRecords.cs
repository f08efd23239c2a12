using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>Records of the processor's list, run by themselves.</summary>
internal static unsafe class CpuRecords
{
    /// <summary>Names of some of the records.</summary>
    public static TheoryData<string> Names(IEnumerable<CpuProduct> records) => [.. records.Select(record => record.Name)];

    /// <summary>The record of a name; the test is skipped where this processor cannot run it.</summary>
    public static CpuProduct Get(string name)
    {
        CpuProduct record = CpuProducts.All.Single(record => record.Name == name);
        string? lack = record.Lacks(CpuLimits.This);
        Assert.SkipWhen(lack is not null, $"{name} {lack}");
        return record;
    }

    /// <summary>Those of some records that this processor can run.</summary>
    public static IEnumerable<CpuProduct> Here(IEnumerable<CpuProduct> records) => records.Where(record => record.Lacks(CpuLimits.This) is null);

    /// <summary>y = x·Wᵀ (+ bias) by a record.</summary>
    public static void Run(this CpuProduct record, ThreadTeam team, IMatrix w, ReadOnlySpan<float> x, int tokens, float[]? bias, Span<float> y)
    {
        using var workspace = new CpuWorkspace(team);
        fixed (float* from = x, to = y, add = bias)
        {
            record.Launch(workspace, new CpuOperands(from, tokens, w, add, to));
        }
    }
}
