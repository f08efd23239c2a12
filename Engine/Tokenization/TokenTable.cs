using System.Numerics;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>The bytes of every ordinary token by id, and the id by bytes.</summary>
internal sealed class TokenTable
{
    private readonly byte[][] tokens;
    private readonly int[] slots;
    private readonly int mask;

    /// <summary>Takes the tokens in the order of their ids; none is empty.</summary>
    public TokenTable(byte[][] tokens)
    {
        this.tokens = tokens;
        // At most half full, so that the usual miss is one probe.
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, tokens.Length * 2));
        mask = capacity - 1;
        slots = new int[capacity];
        for (int id = 0; id < tokens.Length; id++)
        {
            int slot = Hash(tokens[id]) & mask;
            while (slots[slot] != 0)
            {
                if (tokens[slots[slot] - 1].AsSpan().SequenceEqual(tokens[id]))
                {
                    DuplicateId ??= id;
                    break;
                }
                slot = (slot + 1) & mask;
            }
            if (slots[slot] == 0)
            {
                slots[slot] = id + 1;
            }
            MaxLength = Math.Max(MaxLength, tokens[id].Length);
        }
    }

    /// <summary>Number of ordinary tokens.</summary>
    public int Count => tokens.Length;

    /// <summary>Bytes of the longest token.</summary>
    public int MaxLength { get; }

    /// <summary>The first id whose bytes an earlier id has too; null in a sound table.</summary>
    public int? DuplicateId { get; }

    /// <summary>The bytes of a token.</summary>
    public byte[] this[int id] => tokens[id];

    /// <summary>The id of the token with these bytes, or -1.</summary>
    public int Find(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxLength)
        {
            return -1;
        }
        for (int slot = Hash(bytes) & mask; slots[slot] != 0; slot = (slot + 1) & mask)
        {
            int id = slots[slot] - 1;
            if (bytes.SequenceEqual(tokens[id]))
            {
                return id;
            }
        }
        return -1;
    }

    private static int Hash(ReadOnlySpan<byte> bytes)
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
        return (int)(Mix(hash ^ tail) >> 33);
    }

    private static ulong Mix(ulong value)
    {
        value *= 0xD6E8FEB86659FD93;
        return value ^ (value >> 32);
    }
}
