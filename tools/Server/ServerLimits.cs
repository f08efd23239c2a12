using System.Numerics;

namespace Llama4Kernels.Server;

/// <summary>
/// What one request may ask for, and how long it may take. A value out of range throws <see cref="ArgumentException"/> where it
/// is set, so an instance is always valid.
/// </summary>
public sealed record ServerLimits
{
    /// <summary>Bytes of a request's body; 1 or more.</summary>
    public int MaxBodyBytes { get; init => field = AtLeast(value, 1, nameof(MaxBodyBytes)); } = 32 << 20;

    /// <summary>Messages, or input items, of a request; 1 or more.</summary>
    public int MaxMessages { get; init => field = AtLeast(value, 1, nameof(MaxMessages)); } = 4096;

    /// <summary>Prompts of one request for completions; 1 or more.</summary>
    public int MaxPrompts { get; init => field = AtLeast(value, 1, nameof(MaxPrompts)); } = 32;

    /// <summary>Pictures of a request; 0 or more.</summary>
    public int MaxPictures { get; init => field = AtLeast(value, 0, nameof(MaxPictures)); } = 16;

    /// <summary>Pixels of one picture; 1 or more. They are counted before any memory is taken for them.</summary>
    public long MaxPicturePixels { get; init => field = AtLeast(value, 1, nameof(MaxPicturePixels)); } = 64_000_000;

    /// <summary>Pictures that are decoded at a time, all requests together; 1 or more.</summary>
    public int MaxDecodingPictures { get; init => field = AtLeast(value, 1, nameof(MaxDecodingPictures)); } = 2;

    /// <summary>Tokens that a choice may have, 1 or more; null for what the context leaves.</summary>
    public int? MaxNewTokens { get; init => field = value is null ? null : AtLeast(value.Value, 1, nameof(MaxNewTokens)); }

    /// <summary>Choices (<c>n</c>) of a request, all prompts together; 1 or more.</summary>
    public int MaxChoices { get; init => field = AtLeast(value, 1, nameof(MaxChoices)); } = 32;

    /// <summary>Stop strings; 0 or more.</summary>
    public int MaxStopStrings { get; init => field = AtLeast(value, 0, nameof(MaxStopStrings)); } = 16;

    /// <summary>Characters of a stop string; 1 or more.</summary>
    public int MaxStopLength { get; init => field = AtLeast(value, 1, nameof(MaxStopLength)); } = 256;

    /// <summary>Tools; 0 or more.</summary>
    public int MaxTools { get; init => field = AtLeast(value, 0, nameof(MaxTools)); } = 128;

    /// <summary>Characters of one schema, of a tool or an answer; 1 or more.</summary>
    public int MaxSchemaLength { get; init => field = AtLeast(value, 1, nameof(MaxSchemaLength)); } = 256 << 10;

    /// <summary>Tokens of <c>logit_bias</c>; 0 or more.</summary>
    public int MaxLogitBias { get; init => field = AtLeast(value, 0, nameof(MaxLogitBias)); } = 1024;

    /// <summary>Requests that are open at a time; 1 or more. Another one is refused with 429.</summary>
    public int MaxOpenRequests { get; init => field = AtLeast(value, 1, nameof(MaxOpenRequests)); } = 512;

    /// <summary>Connections that are open at a time, 1 or more; another one is closed.</summary>
    public int MaxConnections { get; init => field = AtLeast(value, 1, nameof(MaxConnections)); } = 4096;

    /// <summary>From a request's first byte to the end of its answer; more than zero.</summary>
    public TimeSpan RequestTime { get; init => field = AboveZero(value, nameof(RequestTime)); } = TimeSpan.FromMinutes(30);

    /// <summary>How long an answer may stand still, before its first token too; more than zero.</summary>
    public TimeSpan IdleTime { get; init => field = AboveZero(value, nameof(IdleTime)); } = TimeSpan.FromMinutes(10);

    /// <summary>How long a client may leave what was sent unread, and its request's head or body unsent; 2 seconds or more: it is looked after once a second.</summary>
    public TimeSpan SlowClientTime
    {
        get;
        init => field = value >= TimeSpan.FromSeconds(2) ? AboveZero(value, nameof(SlowClientTime)) : throw new ArgumentException($"{nameof(SlowClientTime)} must be 2 seconds or more, not {value}.", nameof(SlowClientTime));
    } = TimeSpan.FromSeconds(30);

    /// <summary>How long requests may go on after the server was told to stop; more than zero.</summary>
    public TimeSpan DrainTime { get; init => field = AboveZero(value, nameof(DrainTime)); } = TimeSpan.FromSeconds(30);

    private static T AtLeast<T>(T value, T least, string name)
        where T : struct, INumber<T> =>
        value >= least ? value : throw new ArgumentException($"{name} must be {least} or more, not {value}.", name);

    // What timers take.
    private static TimeSpan AboveZero(TimeSpan value, string name) =>
        value > TimeSpan.Zero && value <= TimeSpan.FromDays(40) ? value : throw new ArgumentException($"{name} must be more than zero and no more than 40 days, not {value}.", name);
}
