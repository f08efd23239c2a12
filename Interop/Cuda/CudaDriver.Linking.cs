using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <content>Linking.</content>
public sealed unsafe partial class CudaDriver
{
    private const int LinkLogOffset = JitOptionCount * (8 + sizeof(int));

    /// <summary>Of each linker the memory that it writes to while it lives: option values, option keys, two logs.</summary>
    private static readonly ConcurrentDictionary<nint, nint> s_linkers = new();

    /// <inheritdoc/>
    public CudaResult LinkCreate(out nint linker, in CudaJitOptions options)
    {
        byte* room = (byte*)NativeMemory.AllocZeroed(LinkLogOffset + 2 * LogBytes);
        var values = (void**)room;
        var keys = (int*)(room + JitOptionCount * sizeof(void*));
        int count = FillJitOptions(options, room + LinkLogOffset, room + LinkLogOffset + LogBytes, keys, values);
        CudaResult result;
        fixed (nint* p = &linker)
        {
            result = CudaNative.cuLinkCreate_v2((uint)count, keys, values, p);
        }
        if (result == CudaResult.Success)
        {
            s_linkers[linker] = (nint)room;
        }
        else
        {
            NativeMemory.Free(room);
        }
        return result;
    }

    /// <inheritdoc/>
    public CudaResult LinkAddData(nint linker, CudaLinkInput kind, ReadOnlySpan<byte> data, string name)
    {
        fixed (byte* p = data)
        {
            return CudaNative.cuLinkAddData_v2(linker, kind, p, (nuint)data.Length, name, 0, null, null);
        }
    }

    /// <inheritdoc/>
    public CudaResult LinkComplete(nint linker, out byte[] image)
    {
        void* data = null;
        nuint bytes = 0;
        CudaResult result = CudaNative.cuLinkComplete(linker, &data, &bytes);
        // The linker owns its image; the copy may outlive it.
        image = result == CudaResult.Success ? new ReadOnlySpan<byte>(data, checked((int)bytes)).ToArray() : [];
        return result;
    }

    /// <inheritdoc/>
    public CudaResult LinkDestroy(nint linker)
    {
        CudaResult result = CudaNative.cuLinkDestroy(linker);
        if (result == CudaResult.Success && s_linkers.TryRemove(linker, out nint room))
        {
            NativeMemory.Free((void*)room);
        }
        return result;
    }

    /// <inheritdoc/>
    public CudaJitLog LinkLog(nint linker) => s_linkers.TryGetValue(linker, out nint room)
        ? new CudaJitLog(ReadText((byte*)room + LinkLogOffset, LogBytes), ReadText((byte*)room + LinkLogOffset + LogBytes, LogBytes))
        : new CudaJitLog("", "");
}
