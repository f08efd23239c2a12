using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>The page addresses of one layer of one sequence, in order, at a stable host address between growths.</summary>
internal sealed unsafe class PageTable : IDisposable
{
    private nint* _pages;
    private int _capacity;

    public int Count { get; private set; }

    public nint Address => (nint)_pages;

    public void EnsureCapacity(int pages)
    {
        if (pages > _capacity)
        {
            int capacity = Math.Max(pages, Math.Max(8, _capacity * 2));
            _pages = (nint*)NativeMemory.Realloc(_pages, (nuint)capacity * (nuint)sizeof(nint));
            _capacity = capacity;
        }
    }

    public void Add(nint page)
    {
        EnsureCapacity(Count + 1);
        _pages[Count++] = page;
    }

    public void ReturnAll(KvPagePool pool)
    {
        while (Count > 0)
        {
            pool.Return(_pages[--Count]);
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(_pages);
        _pages = null;
        _capacity = 0;
        Count = 0;
    }
}
