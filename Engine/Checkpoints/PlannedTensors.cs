using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// The tensors that a configuration calls for, without files: bfloat16, all at the same place. Zeros take no memory; random values
/// take that of the largest tensor.
/// </summary>
internal sealed unsafe class PlannedTensors : ITensorSource
{
    private static readonly StoredType s_type = new("BF16", 1, sizeof(ushort), ElementType.BF16);

    private readonly Dictionary<string, StoredTensor> _byName;
    private readonly SparseMemory _values;

    /// <summary>Values until they come again: 64 MB, and a prime number of them, so that rows and experts differ.</summary>
    private const int RandomPeriod = 33_554_393;

    /// <summary>Takes memory for the largest tensor.</summary>
    /// <param name="config">What calls for them.</param>
    /// <param name="location">What to call them in errors.</param>
    /// <param name="random">Whether values are uniform in ±0.05, always the same ones, instead of zero.</param>
    /// <exception cref="OutOfMemoryException">The system has no address space for the largest.</exception>
    public PlannedTensors(ModelConfig config, string location, bool random = false)
    {
        Location = location;
        Tensors = [.. ExpectedTensors.For(config, config.Nested ? HuggingFaceNaming.NestedPrefix : "").Select(tensor => Of(tensor, location))];
        _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        _values = SparseMemory.Allocate(Tensors.Max(tensor => tensor.Bytes));
        if (random)
        {
            Fill((ushort*)_values.Address, _values.Length / sizeof(ushort));
        }
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
            ? _values.Address
            : throw new ArgumentException($"Tensor '{tensor.Name}' is not of '{Location}'.", nameof(tensor));
    }

    /// <inheritdoc/>
    public SafeHandle Memory(StoredTensor tensor) => _values;

    /// <inheritdoc/>
    public void GiveBack(nint address, long bytes)
    {
        // Zeros that were only read are the system's one page, and random values are those of all tensors.
    }

    /// <inheritdoc/>
    public void Dispose() => _values.Dispose();

    private static void Fill(ushort* values, long count)
    {
        var random = new Random(1);
        long made = Math.Min(count, RandomPeriod);
        for (long i = 0; i < made; i++)
        {
            values[i] = Bf16.FromSingle((random.NextSingle() - 0.5f) * 0.1f);
        }
        for (long next; made < count; made += next)
        {
            // Whole periods, so that what follows goes on with the next value.
            next = Math.Min(made / RandomPeriod * RandomPeriod, count - made);
            Buffer.MemoryCopy(values, values + made, next * sizeof(ushort), next * sizeof(ushort));
        }
    }

    private static StoredTensor Of(ExpectedTensor tensor, string location)
    {
        long elements = tensor.Shape.Aggregate(1L, (product, extent) => checked(product * extent));
        return new StoredTensor(tensor.Name, s_type, tensor.Shape, location, 0, checked(elements * s_type.BlockBytes));
    }
}
