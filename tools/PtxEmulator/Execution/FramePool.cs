using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Register files of one block's warps, kept until the block ends; one worker uses it at a time.</summary>
internal sealed unsafe class FramePool : IDisposable
{
    private readonly List<(int Bytes, nint Memory)> _taken = [];
    private readonly Dictionary<int, Stack<nint>> _free = [];

    /// <summary>A frame with its constants and special registers set and no register written.</summary>
    public Frame Take(PtxFunction function, Warp warp, int localBase, Frame? caller)
    {
        int bytes = function.FrameBytes;
        if (!_free.TryGetValue(bytes, out Stack<nint>? free) || !free.TryPop(out nint memory))
        {
            memory = (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);
        }
        _taken.Add((bytes, memory));
        var registers = (byte*)memory;
        new Span<byte>(registers, bytes).Clear();
        foreach ((int offset, int bits, ulong value) in function.Constants)
        {
            Fill(registers + offset, bits, value);
        }
        foreach ((int offset, string name) in function.Specials)
        {
            SpecialRegisters.Fill(name, registers + offset, warp);
        }
        return new Frame(function, registers, localBase, caller);
    }

    /// <summary>The block ended: its frames serve the next one.</summary>
    public void Recycle()
    {
        foreach ((int bytes, nint memory) in _taken)
        {
            if (!_free.TryGetValue(bytes, out Stack<nint>? free))
            {
                _free.Add(bytes, free = new Stack<nint>());
            }
            free.Push(memory);
        }
        _taken.Clear();
    }

    public void Dispose()
    {
        foreach (nint memory in _taken.Select(taken => taken.Memory).Concat(_free.Values.SelectMany(stack => stack)))
        {
            NativeMemory.AlignedFree((void*)memory);
        }
        _taken.Clear();
        _free.Clear();
    }

    private static void Fill(byte* slot, int bits, ulong value)
    {
        if (bits == 1)
        {
            *(uint*)slot = value != 0 ? ~0u : 0;
        }
        else if (bits == 64)
        {
            for (int i = 0; i < 32; i += 8)
            {
                Vector512.Create(value).Store((ulong*)slot + i);
            }
        }
        else
        {
            Vector512.Create((uint)value).Store((uint*)slot);
            Vector512.Create((uint)value).Store((uint*)slot + 16);
        }
    }
}
