using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// Pages of cached keys and values, taken from a backend in slabs and reused. One page holds
/// <see cref="KvLayout.PageTokens"/> positions of one layer. Not thread-safe: it belongs to one session.
/// </summary>
public sealed class KvPagePool : IDisposable
{
    private const int PagesPerSlab = 64;

    private readonly IBackend _backend;
    private readonly List<DeviceMemory> _slabs = [];
    private readonly Stack<nint> _free = new();

    /// <summary>An empty pool; memory is taken when pages are rented.</summary>
    public KvPagePool(IBackend backend, KvLayout layout)
    {
        _backend = backend;
        Layout = layout;
    }

    /// <summary>Shape of a page.</summary>
    public KvLayout Layout { get; }

    /// <summary>Pages now in use.</summary>
    public int RentedPages { get; private set; }

    /// <summary>Bytes taken from the backend.</summary>
    public long AllocatedBytes => (long)_slabs.Count * PagesPerSlab * Layout.PageBytes;

    /// <summary>Bytes that a pool takes for so many pages.</summary>
    public static long BytesOf(KvLayout layout, int pages) => ((long)pages + PagesPerSlab - 1) / PagesPerSlab * PagesPerSlab * layout.PageBytes;

    /// <summary>Takes a page; its content is undefined.</summary>
    public nint Rent()
    {
        if (_free.Count == 0)
        {
            AddSlab();
        }
        RentedPages++;
        return _free.Pop();
    }

    /// <summary>Gives a page back.</summary>
    public void Return(nint page)
    {
        _free.Push(page);
        RentedPages--;
    }

    /// <summary>Makes sure that <paramref name="pages"/> more pages can be rented without asking the backend.</summary>
    public void Reserve(int pages)
    {
        while (_free.Count < pages)
        {
            AddSlab();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceMemory slab in _slabs)
        {
            slab.Dispose();
        }
        _slabs.Clear();
        _free.Clear();
    }

    private void AddSlab()
    {
        DeviceMemory slab = _backend.Allocate(PagesPerSlab * Layout.PageBytes);
        _slabs.Add(slab);
        _free.EnsureCapacity(_slabs.Count * PagesPerSlab);
        for (int i = PagesPerSlab - 1; i >= 0; i--)
        {
            _free.Push(slab.Address + (nint)(i * Layout.PageBytes));
        }
    }
}
