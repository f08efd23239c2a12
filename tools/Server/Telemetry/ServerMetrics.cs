using System.Collections.Concurrent;

namespace Llama4Kernels.Server.Telemetry;

/// <summary>What is counted over all requests of a server.</summary>
internal sealed class ServerMetrics
{
    private static readonly double[] s_seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
    private static readonly double[] s_tokenSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

    private readonly ConcurrentDictionary<(string Route, int Status), long> _requests = new();
    private readonly ConcurrentDictionary<string, long> _finished = new();
    private long _promptTokens, _cachedTokens, _newTokens;

    /// <summary>Requests by address and status.</summary>
    public IEnumerable<KeyValuePair<(string Route, int Status), long>> Requests => _requests;

    /// <summary>Choices by why they ended.</summary>
    public IEnumerable<KeyValuePair<string, long>> Finished => _finished;

    public long PromptTokens => Volatile.Read(ref _promptTokens);

    public long CachedTokens => Volatile.Read(ref _cachedTokens);

    public long NewTokens => Volatile.Read(ref _newTokens);

    /// <summary>Whole requests that an engine answered.</summary>
    public Histogram RequestTime { get; } = new(s_seconds);

    /// <summary>From a request to its first token.</summary>
    public Histogram FirstToken { get; } = new(s_seconds);

    /// <summary>Time per token after the first, of a request.</summary>
    public Histogram BetweenTokens { get; } = new(s_tokenSeconds);

    /// <summary>When a client that was refused may come again: about when a request of those that are open is done.</summary>
    public int RetryAfterSeconds
    {
        get
        {
            long count = RequestTime.Cumulative()[^1];
            return count == 0 ? 1 : (int)Math.Clamp(Math.Ceiling(RequestTime.SumSeconds / count), 1, 60);
        }
    }

    /// <summary>Takes a request that is over.</summary>
    public void Add(RequestRecord record)
    {
        // What there is no address for has one name, however many clients think of.
        _requests.AddOrUpdate((record.Route ?? "other", record.Status), 1, (_, count) => count + 1);
        if (record.Operation is null)
        {
            return;
        }
        Interlocked.Add(ref _promptTokens, record.PromptTokens);
        Interlocked.Add(ref _cachedTokens, record.CachedTokens);
        Interlocked.Add(ref _newTokens, record.NewTokens);
        foreach (string reason in record.FinishReasons)
        {
            _finished.AddOrUpdate(reason, 1, (_, count) => count + 1);
        }
        if (record.FirstToken is TimeSpan first)
        {
            RequestTime.Add(record.Elapsed);
            FirstToken.Add(first);
        }
        if (record.BetweenTokens is TimeSpan between)
        {
            BetweenTokens.Add(between);
        }
    }
}
