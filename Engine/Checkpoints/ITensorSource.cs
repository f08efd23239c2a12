using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// The tensors of a model's files, mapped, whatever the files' format. Every header was validated when it was opened. The
/// files must not be truncated while they are open; see <see cref="Interop.Memory.MappedFile"/>.
/// </summary>
internal interface ITensorSource : IDisposable
{
    /// <summary>The folder or file, for errors.</summary>
    string Location { get; }

    /// <summary>All tensors: file after file, in the order of their data.</summary>
    IReadOnlyList<StoredTensor> Tensors { get; }

    /// <summary>Things that are suspicious but not wrong, in sentences for a person.</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>The tensor of that name, or false.</summary>
    bool TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor);

    /// <summary>Address of a tensor's first element, valid until the source is disposed; aligned to one byte only.</summary>
    /// <param name="tensor">A tensor of this source.</param>
    /// <exception cref="ModelFormatException">The file was truncated after it was opened.</exception>
    /// <exception cref="ArgumentException">The tensor is not of this source.</exception>
    nint Address(StoredTensor tensor);

    /// <summary>What keeps a tensor's memory mapped: who adds a reference may read there until it gives that back, also after the source was disposed.</summary>
    /// <param name="tensor">A tensor of this source.</param>
    /// <exception cref="ObjectDisposedException">The source was disposed.</exception>
    SafeHandle Memory(StoredTensor tensor);

    /// <summary>
    /// Lets the operating system take back the pages between two addresses of this source. Reading there again is allowed and
    /// loads them anew; other addresses are left alone.
    /// </summary>
    void GiveBack(nint address, long bytes);
}
