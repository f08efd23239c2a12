using System.Numerics;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Which two neighbouring tokens merge into which, and how early: (left id, right id) → rank, lower first.
/// </summary>
internal sealed class MergeTable
{
    /// <summary>The rank of a pair that does not merge.</summary>
    public const int NoMerge = int.MaxValue;

    private ulong[] _keys;
    private int[] _ranks;
    private int _mask;
    private int _count;
    private readonly int[]? _mergedOfRank;

    private MergeTable(int expected, int[]? mergedOfRank)
    {
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, expected * 2));
        _keys = new ulong[capacity];
        _ranks = new int[capacity];
        _mask = capacity - 1;
        _mergedOfRank = mergedOfRank;
    }

    /// <summary>
    /// All the ways to split every token into two tokens; the merged token's id is the rank. This is what
    /// merging by the rank of the joined bytes does, as long as every single byte is a token.
    /// </summary>
    public static MergeTable FromRanks(TokenTable tokens)
    {
        MergeTable table = new(tokens.Count * 2, null);
        for (int id = 0; id < tokens.Count; id++)
        {
            byte[] bytes = tokens[id];
            for (int cut = 1; cut < bytes.Length; cut++)
            {
                int left = tokens.Find(bytes.AsSpan(0, cut));
                if (left < 0)
                {
                    continue;
                }
                int right = tokens.Find(bytes.AsSpan(cut));
                if (right >= 0)
                {
                    table.TryAdd(left, right, id);
                }
            }
        }
        return table;
    }

    /// <summary>An explicit list of merges, earliest first.</summary>
    /// <param name="merges">Left, right and merged id.</param>
    /// <param name="duplicate">The first entry whose pair an earlier entry has, or -1.</param>
    public static MergeTable FromList(IReadOnlyList<(int Left, int Right, int Merged)> merges, out int duplicate)
    {
        int[] merged = new int[merges.Count];
        MergeTable table = new(merges.Count, merged);
        duplicate = -1;
        for (int rank = 0; rank < merges.Count; rank++)
        {
            merged[rank] = merges[rank].Merged;
            if (!table.TryAdd(merges[rank].Left, merges[rank].Right, rank) && duplicate < 0)
            {
                duplicate = rank;
            }
        }
        return table;
    }

    /// <summary>The rank of the pair, or <see cref="NoMerge"/>.</summary>
    public int Rank(int left, int right)
    {
        ulong key = Key(left, right);
        for (int slot = Slot(key); _keys[slot] != 0; slot = (slot + 1) & _mask)
        {
            if (_keys[slot] == key)
            {
                return _ranks[slot];
            }
        }
        return NoMerge;
    }

    /// <summary>The id of the token that a merge of this rank makes.</summary>
    public int Merged(int rank) => _mergedOfRank is null ? rank : _mergedOfRank[rank];

    private bool TryAdd(int left, int right, int rank)
    {
        if (_count * 2 >= _keys.Length)
        {
            Grow();
        }
        ulong key = Key(left, right);
        int slot = Slot(key);
        for (; _keys[slot] != 0; slot = (slot + 1) & _mask)
        {
            if (_keys[slot] == key)
            {
                return false;
            }
        }
        _keys[slot] = key;
        _ranks[slot] = rank;
        _count++;
        return true;
    }

    private void Grow()
    {
        (ulong[] oldKeys, int[] oldRanks) = (_keys, _ranks);
        _keys = new ulong[oldKeys.Length * 2];
        _ranks = new int[_keys.Length];
        _mask = _keys.Length - 1;
        for (int old = 0; old < oldKeys.Length; old++)
        {
            if (oldKeys[old] == 0)
            {
                continue;
            }
            int slot = Slot(oldKeys[old]);
            while (_keys[slot] != 0)
            {
                slot = (slot + 1) & _mask;
            }
            _keys[slot] = oldKeys[old];
            _ranks[slot] = oldRanks[old];
        }
    }

    // Ids start at 1 inside a key, so that 0 marks an empty slot.
    private static ulong Key(int left, int right) => ((ulong)(uint)(left + 1) << 32) | (uint)(right + 1);

    private int Slot(ulong key)
    {
        key *= 0x9E3779B97F4A7C15;
        return (int)((key ^ (key >> 29)) >> 20) & _mask;
    }
}
