using System.Threading.Channels;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Engine.Serving;

/// <summary>What goes from the scheduler to whoever enumerates: an update, or how far the request is.</summary>
internal readonly record struct Message(GenerationUpdate? Update, GenerationProgress Progress);

/// <summary>
/// A request on its way: its sequence, its answer and the channel to whoever enumerates. Its tokens, sampler and constraint stay
/// when its blocks go. The scheduler's thread has it, but for <see cref="Messages"/> and <see cref="Abandon"/>.
/// </summary>
internal sealed class Job
{
    private readonly Channel<Message> _channel = Channel.CreateUnbounded<Message>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly PreparedPrompt _prompt;
    private readonly Answer _answer;
    private GenerationUpdate? _last;
    private volatile bool _isAbandoned;
    private GenerationProgress _told = new(-1, 0, 0);
    private bool _hasBegun;

    public Job(GenerationRequest request, PreparedPrompt prompt, Answer answer, Sequence sequence, long submitted)
    {
        Request = request;
        _prompt = prompt;
        _answer = answer;
        Sequence = sequence;
        Submitted = submitted;
    }

    public GenerationRequest Request { get; }

    public Sequence Sequence { get; }

    /// <summary>When it was submitted, as the clock counts.</summary>
    public long Submitted { get; }

    /// <summary>How many were submitted before it.</summary>
    public long Number { get; set; }

    /// <summary>Later requests that were admitted before it.</summary>
    public int Overtaken { get; set; }

    /// <summary>It was overtaken as often as may be: nobody overtakes it any more.</summary>
    public bool IsAged { get; set; }

    /// <summary>It needs the cache for itself: it runs beside no other, and nothing of it is kept.</summary>
    public bool IsAlone { get; set; }

    /// <summary>How many had left when it gave way for want of blocks; null if it did not.</summary>
    public long? GaveWayAt { get; set; }

    /// <summary>Why it fails; null if it does not.</summary>
    public Exception? Failure { get; set; }

    public bool IsFinished => _last is not null;

    public bool IsAbandoned => _isAbandoned;

    /// <summary>How its next token may be chosen where the logits are; null if it needs them all.</summary>
    public DrawRule? Rule => _answer.Rule;

    /// <summary>Tokens given so far; null before its turn has come.</summary>
    public int? Given => _hasBegun ? _answer.Generated : null;

    /// <summary>Pending tokens up to a picture that is not encoded yet.</summary>
    public int Ready => _prompt.Ready(Sequence);

    /// <summary>What the enumerator reads; it fails with the request.</summary>
    public ChannelReader<Message> Messages => _channel.Reader;

    /// <summary>Nobody wants it any more.</summary>
    public void Abandon() => _isAbandoned = true;

    /// <summary>Its turn has come for the first time: says what is forced from the start. It may be finished with that.</summary>
    public void Begin()
    {
        if (_hasBegun)
        {
            return;
        }
        _hasBegun = true;
        _prompt.AppendTo(Sequence);
        TakeForced();
    }

    /// <summary>Its sequence holds so many tokens that others computed.</summary>
    public void Reuse(int tokens)
    {
        // Once: what is found again after it gave way was its own.
        _answer.CachedTokens ??= Math.Min(tokens, Request.Prompt.Ids.Length);
    }

    /// <summary>Encodes the picture that its next tokens need.</summary>
    public void EncodePicture(IForwardObserver? observer) => _prompt.EncodeNext(Sequence, observer);

    /// <summary>Takes what a step computed for its last token: chooses the next one, and those that are forced after it.</summary>
    public void Choose(StepResult result, int part)
    {
        Post(_answer.Choose(result, part));
        TakeForced();
    }

    /// <summary>Tells how far it is, if someone wants to know and it has changed.</summary>
    public void Tell(int queuePosition)
    {
        if (Request.Progress is null)
        {
            return;
        }
        var progress = new GenerationProgress(queuePosition, Sequence.Length, Math.Max(Request.Prompt.Ids.Length, Sequence.Length + Sequence.Pending));
        if (progress != _told)
        {
            _told = progress;
            _channel.Writer.TryWrite(new Message(null, progress));
        }
    }

    /// <summary>It is over: the last update goes out, or what it failed with.</summary>
    public void Complete()
    {
        if (_last is not null && Failure is null)
        {
            _channel.Writer.TryWrite(new Message(_last, default));
        }
        _channel.Writer.TryComplete(Failure);
    }

    /// <summary>So many blocks it takes at once on the way through all its pending tokens.</summary>
    public (int Chunked, int Full) Missing() => (Sequence.Blocks.MostMissing(BlockKind.Chunked, Sequence.Pending), Sequence.Blocks.MostMissing(BlockKind.Full, Sequence.Pending));

    /// <summary>The block of each kind that it will take next, once those are full that its pending tokens take: 1, or 0 if it ends before.</summary>
    public (int Chunked, int Full) Next()
    {
        // Its last token is not computed.
        int rows = Math.Max(Sequence.Pending, _answer.MostTokens - 1 - Sequence.Length);
        (int chunked, int full) = Missing();
        return (Math.Min(1, Sequence.Blocks.MostMissing(BlockKind.Chunked, rows) - chunked), Math.Min(1, Sequence.Blocks.MostMissing(BlockKind.Full, rows) - full));
    }

    private void TakeForced()
    {
        while (!IsFinished && _answer.TakeForced() is GenerationUpdate update)
        {
            Post(update);
        }
        if (!IsFinished)
        {
            // In one piece, however many a constraint forced.
            Sequence.Append(_answer.TakeNew());
        }
    }

    /// <summary>The last one waits until the blocks are given back, so that who has read it finds them free.</summary>
    private void Post(GenerationUpdate update)
    {
        if (update.FinishReason is not null)
        {
            _last = update;
            return;
        }
        _channel.Writer.TryWrite(new Message(update, default));
    }
}
