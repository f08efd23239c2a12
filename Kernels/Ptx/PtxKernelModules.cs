using System.Collections.Concurrent;
using System.Globalization;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Ptx;

/// <summary>
/// The kernels written as PTX, which are resources of this assembly: NAME_smNN.ptx, one for each target that makes a difference.
/// A device takes the latest that is not later than it is. May be used by several threads.
/// </summary>
public sealed class PtxKernelModules : IKernelModules
{
    private const string Extension = ".ptx";
    private const string TargetMark = "_sm";

    private readonly Dictionary<string, int[]> _targets;
    private readonly ConcurrentDictionary<(string Name, int Target), KernelModule> _modules = new();

    private PtxKernelModules()
    {
        _targets = typeof(PtxKernelModules).Assembly.GetManifestResourceNames().Where(resource => resource.EndsWith(Extension, StringComparison.Ordinal))
            .Select(resource => (Resource: resource, At: resource.LastIndexOf(TargetMark, StringComparison.Ordinal)))
            .GroupBy(file => file.Resource[..file.At], file => int.Parse(file.Resource.AsSpan()[(file.At + TargetMark.Length)..^Extension.Length], CultureInfo.InvariantCulture))
            .ToDictionary(kernel => kernel.Key, kernel => kernel.OrderDescending().ToArray(), StringComparer.Ordinal);
        Names = [.. _targets.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>All of them.</summary>
    public static PtxKernelModules All { get; } = new();

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The file of a kernel for a target.</summary>
    public static string FileName(string name, int target) => string.Create(CultureInfo.InvariantCulture, $"{name}{TargetMark}{target}{Extension}");

    /// <summary>The targets that a kernel has texts for, the latest first.</summary>
    /// <exception cref="ArgumentException">There is no such kernel.</exception>
    public IReadOnlyList<int> Targets(string name) => _targets.TryGetValue(name, out int[]? targets)
        ? targets
        : throw new ArgumentException($"There is no kernel '{name}' among those written as PTX.", nameof(name));

    /// <inheritdoc/>
    public KernelModule Get(string name, int sm)
    {
        IReadOnlyList<int> targets = Targets(name);
        int target = targets.FirstOrDefault(target => target <= sm);
        if (target == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(sm), sm, $"'{name}' needs sm_{targets[^1]} at least.");
        }
        return _modules.GetOrAdd((name, target), static key => Read(FileName(key.Name, key.Target)));
    }

    private static KernelModule Read(string resource)
    {
        using Stream stream = typeof(PtxKernelModules).Assembly.GetManifestResourceStream(resource)!;
        using var reader = new StreamReader(stream);
        return KernelModule.Parse(reader.ReadToEnd());
    }
}
