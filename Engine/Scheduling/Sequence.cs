using System.Runtime.InteropServices;
using Llama4Kernels.Engine.KvCache;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>
/// One running sequence: the tokens known so far, of which the first <see cref="Length"/> are cached and the others pending
/// for a step to compute. Each token has a key that says what stands at its position (the token's id, or for a picture's patch
/// the picture's content), so that a later prompt can reuse what it shares with this one. One thread at a time.
/// </summary>
internal sealed class Sequence : IDisposable
{
    private readonly List<int> _tokens = [];
    private readonly List<long> _keys = [];
    private readonly string _salt;

    // The node of the tree of prefixes that holds the last block that it filled.
    private PrefixNode? _at;

    internal Sequence(StepRunner runner, string salt)
    {
        Runner = runner;
        Blocks = new SequenceBlocks(runner.Pool);
        _salt = salt;
    }

    /// <summary>Cached tokens; the next one has this position.</summary>
    public int Length => Blocks.Length;

    /// <summary>Tokens that are not cached yet.</summary>
    public int Pending => _tokens.Count - Length;

    internal StepRunner Runner { get; }

    internal SequenceBlocks Blocks { get; }

    internal bool IsDisposed { get; private set; }

    /// <summary>The next pending tokens.</summary>
    internal ReadOnlySpan<int> Next(int rows) => CollectionsMarshal.AsSpan(_tokens).Slice(Length, rows);

    /// <summary>How many of the next pending tokens are parts of pictures, whose embeddings they need.</summary>
    internal int PicturePartsIn(int rows)
    {
        int parts = 0;
        foreach (long key in CollectionsMarshal.AsSpan(_keys).Slice(Length, rows))
        {
            parts += key < 0 ? 1 : 0;
        }
        return parts;
    }

    private ReadOnlySpan<long> Cached => CollectionsMarshal.AsSpan(_keys)[..Length];

    /// <summary>The embeddings of pictures among its tokens.</summary>
    internal EmbeddedPictures Embedded { get; private set; } = new();

    /// <summary>Reserves memory for <paramref name="positions"/> positions, so that steps up to there allocate nothing.</summary>
    public void Reserve(int positions)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(positions);
        Blocks.Reserve(positions);
        _tokens.EnsureCapacity(positions);
        _keys.EnsureCapacity(positions);
    }

    /// <summary>Gives its blocks back, after a step that runs; prompts that begin like it may find them in the prefix cache.</summary>
    public void Dispose()
    {
        lock (Runner.Gate)
        {
            IsDisposed = true;
            Release();
            Embedded.Dispose();
        }
    }

    /// <summary>Gives its blocks back and keeps its tokens, which all are pending then.</summary>
    internal void Release()
    {
        lock (Runner.Gate)
        {
            if (_at is PrefixNode at)
            {
                Runner.Prefixes!.InsertTail(at, Cached, Blocks);
                Runner.Prefixes.Unpin(at);
                _at = null;
            }
            Blocks.Clear();
        }
    }

    /// <summary>
    /// Begins with what the prefix cache has of its tokens, all but the last one at the most, whose logits are wanted. Blocks
    /// that it shares whole are there at once; of one that it shares in part, <see cref="CopyTail"/> makes a copy.
    /// </summary>
    internal PrefixMatch Share()
    {
        lock (Runner.Gate)
        {
            if (Runner.Prefixes is not PrefixCache prefixes)
            {
                return default;
            }
            PrefixMatch match = prefixes.Find(_salt, CollectionsMarshal.AsSpan(_keys)[..^1]);
            Blocks.Share(match.Nodes);
            _at = match.Nodes is [.., PrefixNode last] ? prefixes.Pin(last) : prefixes.Pin(_salt);
            return match;
        }
    }

    /// <summary>Copies what <see cref="Share"/> found of a block, if there is room for one.</summary>
    internal void CopyTail(PrefixMatch match)
    {
        if (match.Tail is not PrefixNode tail)
        {
            return;
        }
        lock (Runner.Gate)
        {
            PrefixCache prefixes = Runner.Prefixes!;
            prefixes.Pin(tail);
            try
            {
                if (prefixes.MakeRoom(Blocks.Missing(BlockKind.Chunked, match.TailPositions), Blocks.Missing(BlockKind.Full, match.TailPositions)))
                {
                    Blocks.Begin(match.TailPositions);
                    Runner.Copy(tail, Blocks);
                    Blocks.Commit(match.TailPositions);
                }
            }
            finally
            {
                // Nothing, unless the copy failed.
                Blocks.Cancel();
                prefixes.Unpin(tail);
            }
        }
    }

    /// <summary>The rows of a step that was begun are cached.</summary>
    internal void Commit(int rows)
    {
        Blocks.Commit(rows);
        if (_at is PrefixNode at)
        {
            _at = Runner.Prefixes!.Insert(at, Cached, Blocks);
        }
        Blocks.LeaveChunk();
    }

    /// <summary>Adds tokens to be computed.</summary>
    /// <exception cref="ArgumentException">An id is outside the vocabulary; nothing is added.</exception>
    /// <exception cref="ContextOverflowException">They do not fit the context; nothing is added.</exception>
    internal void Append(ReadOnlySpan<int> ids)
    {
        Runner.CheckIds(ids);
        if (ids.Length > Runner.MaxContext - _tokens.Count)
        {
            throw ContextOverflowException.OfSequence(_tokens.Count + ids.Length, Runner.MaxContext);
        }
        foreach (int id in ids)
        {
            _tokens.Add(id);
            _keys.Add(id);
        }
    }

    /// <summary>Takes over the embeddings of pictures among its tokens, in place of those that it had.</summary>
    internal void Embed(EmbeddedPictures pictures)
    {
        lock (Runner.Gate)
        {
            Embedded.Dispose();
            Embedded = pictures;
        }
    }

    /// <summary>Forgets the pending tokens from one on.</summary>
    internal void DropPending(int from = 0)
    {
        int kept = Length + from;
        _tokens.RemoveRange(kept, _tokens.Count - kept);
        _keys.RemoveRange(kept, _keys.Count - kept);
    }

    /// <summary>Makes the tokens of a prompt that was checked pending; nothing is cached of the sequence yet.</summary>
    internal void Begin(ReadOnlySpan<int> ids, ReadOnlySpan<long> keys)
    {
        DropPending();
        _tokens.AddRange(ids);
        _keys.AddRange(keys);
        Embed(new EmbeddedPictures());
    }
}
