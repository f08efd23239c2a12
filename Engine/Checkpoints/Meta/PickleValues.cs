namespace Llama4Kernels.Engine.Checkpoints.Meta;

/// <summary>A function or class that a pickle names. It is never looked up, only compared.</summary>
internal sealed record PickleGlobal(string Module, string Name);

/// <summary>A tuple.</summary>
internal sealed record PickleTuple(object?[] Items);

/// <summary>A dictionary in the order of its entries.</summary>
internal sealed class PickleDictionary
{
    /// <summary>The entries.</summary>
    public List<(object? Key, object? Value)> Entries { get; } = [];
}

/// <summary>A byte stream held in memory: states of libraries that are of no use here. Its content is not kept.</summary>
internal sealed record PickleStream;

/// <summary>The bytes of one or several tensors.</summary>
/// <param name="Type">The class that torch has for the element type.</param>
/// <param name="Key">The record that holds the bytes.</param>
/// <param name="Elements">Number of elements.</param>
internal sealed record PickleStorage(string Type, string Key, long Elements);

/// <summary>A tensor as a view of a storage; all numbers count elements.</summary>
internal sealed record PickleTensor(PickleStorage Storage, long Offset, long[] Size, long[] Strides);
