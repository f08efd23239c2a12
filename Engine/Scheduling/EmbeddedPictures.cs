using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>Embeddings [n, D] that stand at n positions from one on, in the place of patch tokens.</summary>
internal readonly record struct PictureRows(int Position, Tensor Values);

/// <summary>
/// The embeddings of a sequence's pictures, where the model is. They stay until the sequence ends or takes another prompt: a
/// sequence that loses its blocks is computed again from them.
/// </summary>
internal sealed class EmbeddedPictures(IReadOnlyList<PictureRows> rows, IReadOnlyList<DeviceMemory> memory) : IDisposable
{
    /// <summary>By position.</summary>
    public IReadOnlyList<PictureRows> Rows => rows;

    /// <summary>Frees them; to be called with the model's gate held.</summary>
    public void Dispose()
    {
        foreach (DeviceMemory picture in memory)
        {
            picture.Dispose();
        }
    }
}
