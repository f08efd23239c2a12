namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Kernels from several places; the first that has a kernel gives it.</summary>
/// <param name="places">Where kernels come from, in order.</param>
public sealed class CombinedKernelModules(params IKernelModules[] places) : IKernelModules
{
    /// <summary>Where kernels come from, in order.</summary>
    public IReadOnlyList<IKernelModules> Places => places;

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; } = [.. places.SelectMany(place => place.Names).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The place that gives a kernel.</summary>
    /// <exception cref="ArgumentException">There is no such kernel.</exception>
    public IKernelModules PlaceOf(string name) => places.FirstOrDefault(place => place.Names.Contains(name))
        ?? throw new ArgumentException($"There is no kernel '{name}'.", nameof(name));

    /// <inheritdoc/>
    public KernelModule Get(string name, int sm) => PlaceOf(name).Get(name, sm);
}
