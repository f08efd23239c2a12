namespace Llama4Kernels.Benchmarks.Roofline;

/// <summary>Whose peak bounds an operation's arithmetic.</summary>
public enum Multipliers
{
    /// <summary>float32 multiply-adds.</summary>
    Fma,

    /// <summary>Products of bfloat16 pairs that add to float32.</summary>
    BFloat16Dot,

    /// <summary>Products of integers of eight bits, four at a time, that add to 32 bits.</summary>
    IntegerDot,
}

/// <summary>The least that a call of an operation has to do.</summary>
/// <param name="Operations">Multiplications and additions (two per multiply-add), in formulas of shapes alone.</param>
/// <param name="Bytes">Bytes read and written once each.</param>
/// <param name="Multipliers">What computes them at best.</param>
public readonly record struct KernelWork(double Operations, double Bytes, Multipliers Multipliers = Multipliers.Fma)
{
    /// <summary>Fewer bytes than these may come, call after call, from the caches in part, whose speed is no ceiling here.</summary>
    private const double CacheBytes = 128 << 20;

    /// <summary>Whether memory bounds it, too.</summary>
    public bool IsInMemory => Bytes >= CacheBytes;

    /// <summary>Seconds that the machine needs at least.</summary>
    public double LeastSeconds(MachineCeilings machine) => Math.Max(IsInMemory ? Bytes / machine.Reading : 0, Operations / machine.Peak(Multipliers));
}

/// <summary>A benchmark that says what its operations have to do.</summary>
public interface IKernelBenchmark
{
    /// <summary>The work of one call of a benchmark method, with the parameters that are set.</summary>
    /// <param name="method">The method's name.</param>
    KernelWork Work(string method);
}
