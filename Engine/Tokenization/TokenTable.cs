using System.Numerics;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>The bytes of every ordinary token by id, and the id by bytes.</summary>
internal sealed class TokenTable
{
    private readonly byte[][] _tokens;

    // Hash above, id + 1 below; 0 is empty. The hash spares a miss the look at the token's own memory.
    private readonly ulong[] _slots;
    private readonly int _mask;

    /// <summary>Takes the tokens in the order of their ids; an empty one stands where an id has no ordinary token.</summary>
    public TokenTable(byte[][] tokens)
    {
        _tokens = tokens;
        // At most half full, so that the usual miss is one probe.
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, tokens.Length * 2));
        _mask = capacity - 1;
        _slots = new ulong[capacity];
        for (int id = 0; id < tokens.Length; id++)
        {
            MaxLength = Math.Max(MaxLength, tokens[id].Length);
            if (tokens[id].Length == 0)
            {
                continue;
            }
            if (Find(tokens[id]) >= 0)
            {
                DuplicateId ??= id;
                continue;
            }
            uint hash = Hash(tokens[id]);
            int slot = (int)hash & _mask;
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & _mask;
            }
            _slots[slot] = ((ulong)hash << 32) | (uint)(id + 1);
        }
    }

    /// <summary>Number of ordinary tokens.</summary>
    public int Count => _tokens.Length;

    /// <summary>Bytes of the longest token.</summary>
    public int MaxLength { get; }

    /// <summary>The first id whose bytes an earlier id has too; null in a sound table.</summary>
    public int? DuplicateId { get; }

    /// <summary>The bytes of a token.</summary>
    public byte[] this[int id] => _tokens[id];

    /// <summary>The id of the token with these bytes, or -1.</summary>
    public int Find(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxLength)
        {
            return -1;
        }
        uint hash = Hash(bytes);
        for (int slot = (int)hash & _mask; _slots[slot] != 0; slot = (slot + 1) & _mask)
        {
            if ((uint)(_slots[slot] >> 32) == hash)
            {
                int id = (int)(uint)_slots[slot] - 1;
                if (bytes.SequenceEqual(_tokens[id]))
                {
                    return id;
                }
            }
        }
        return -1;
    }

    private static uint Hash(ReadOnlySpan<byte> bytes)
    {
        ulong hash = (ulong)bytes.Length * 0x9E3779B97F4A7C15;
        while (bytes.Length >= sizeof(ulong))
        {
            hash = Mix(hash ^ MemoryMarshal.Read<ulong>(bytes));
            bytes = bytes[sizeof(ulong)..];
        }
        ulong tail = 0;
        foreach (byte value in bytes)
        {
            tail = (tail << 8) | value;
        }
        return (uint)(Mix(hash ^ tail) >> 32);
    }

    private static ulong Mix(ulong value)
    {
        value *= 0xD6E8FEB86659FD93;
        return value ^ (value >> 32);
    }
}
