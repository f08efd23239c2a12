using System.Diagnostics.CodeAnalysis;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>The tensors that a configuration calls for, without files: bfloat16 zeros, all at the same place, which takes no memory.</summary>
internal sealed class PlannedTensors : ITensorSource
{
    private static readonly StoredType s_type = new("BF16", 1, sizeof(ushort), ElementType.BF16);

    private readonly Dictionary<string, StoredTensor> _byName;
    private readonly SparseMemory _zeros;

    /// <exception cref="OutOfMemoryException">The system has no address space for the largest.</exception>
    public PlannedTensors(ModelConfig config, string location)
    {
        Location = location;
        Tensors = [.. ExpectedTensors.For(config, config.Nested ? HuggingFaceNaming.NestedPrefix : "").Select(tensor => Of(tensor, location))];
        _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        _zeros = SparseMemory.Allocate(Tensors.Max(tensor => tensor.Bytes));
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => [];

    /// <inheritdoc/>
    public bool TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor) => _byName.TryGetValue(name, out tensor);

    /// <inheritdoc/>
    public nint Address(StoredTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return TryGet(tensor.Name, out StoredTensor? own) && ReferenceEquals(own, tensor)
            ? _zeros.Address
            : throw new ArgumentException($"Tensor '{tensor.Name}' is not of '{Location}'.", nameof(tensor));
    }

    /// <inheritdoc/>
    public void GiveBack(nint address, long bytes)
    {
        // Pages of zeros that were only read are the system's one page.
    }

    /// <inheritdoc/>
    public void Dispose() => _zeros.Dispose();

    private static StoredTensor Of(ExpectedTensor tensor, string location)
    {
        long elements = tensor.Shape.Aggregate(1L, (product, extent) => checked(product * extent));
        return new StoredTensor(tensor.Name, s_type, tensor.Shape, location, 0, checked(elements * s_type.BlockBytes));
    }
}
