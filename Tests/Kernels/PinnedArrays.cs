using System.Runtime.InteropServices;

namespace Llama4Kernels.Tests.Kernels;

/// <summary>Arrays that stay where they are, and stay there, until they are given back: often only an address leads to one.</summary>
internal sealed class PinnedArrays : IDisposable
{
    private readonly List<Array> _kept = [];

    /// <summary>An array of numbers.</summary>
    public T[] Make<T>(int count, Func<int, T> number)
        where T : unmanaged
    {
        T[] array = GC.AllocateUninitializedArray<T>(count, pinned: true);
        for (int i = 0; i < count; i++)
        {
            array[i] = number(i);
        }
        _kept.Add(array);
        return array;
    }

    public static nint Address<T>(T[] array)
        where T : unmanaged => Marshal.UnsafeAddrOfPinnedArrayElement(array, 0);

    public void Dispose() => GC.KeepAlive(_kept);
}
