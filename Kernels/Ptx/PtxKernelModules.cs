using System.Collections.Concurrent;
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

    private readonly Dictionary<string, KernelTarget[]> _targets;
    private readonly ConcurrentDictionary<(string Name, KernelTarget Target), KernelModule> _modules = new();

    private PtxKernelModules()
    {
        _targets = typeof(PtxKernelModules).Assembly.GetManifestResourceNames().Where(resource => resource.EndsWith(Extension, StringComparison.Ordinal))
            .Select(resource => (Resource: resource, At: resource.LastIndexOf(TargetMark, StringComparison.Ordinal)))
            .GroupBy(file => file.Resource[..file.At], file => TargetOf(file.Resource, file.At))
            .ToDictionary(kernel => kernel.Key, kernel => kernel.OrderByDescending(target => target.Sm).ToArray(), StringComparer.Ordinal);
        Names = [.. _targets.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>All of them.</summary>
    public static PtxKernelModules All { get; } = new();

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The file of a kernel for a target.</summary>
    public static string FileName(string name, KernelTarget target) => $"{name}{TargetMark}{target.ToString()["sm_".Length..]}{Extension}";

    /// <summary>The targets that a kernel has texts for, the latest first.</summary>
    /// <exception cref="ArgumentException">There is no such kernel.</exception>
    public IReadOnlyList<KernelTarget> Targets(string name) => _targets.TryGetValue(name, out KernelTarget[]? targets)
        ? targets
        : throw new ArgumentException($"There is no kernel '{name}' among those written as PTX.", nameof(name));

    /// <inheritdoc/>
    public KernelModule Get(string name, int sm)
    {
        IReadOnlyList<KernelTarget> targets = Targets(name);
        KernelTarget target = KernelTarget.Best(targets, sm)
            ?? throw new ArgumentOutOfRangeException(nameof(sm), sm, $"A device of sm_{sm} takes no text of '{name}': they are for {string.Join(", ", targets)}.");
        return _modules.GetOrAdd((name, target), static key => Read(FileName(key.Name, key.Target)));
    }

    private static KernelTarget TargetOf(string resource, int mark) =>
        KernelTarget.TryParse(resource.AsSpan()[(mark + TargetMark.Length)..^Extension.Length], out KernelTarget target)
            ? target
            : throw new InvalidOperationException($"The resource {resource} names no target.");

    private static KernelModule Read(string resource)
    {
        using Stream stream = typeof(PtxKernelModules).Assembly.GetManifestResourceStream(resource)!;
        using var reader = new StreamReader(stream);
        return KernelModule.Parse(reader.ReadToEnd());
    }
}
