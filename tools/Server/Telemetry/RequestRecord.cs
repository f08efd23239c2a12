using System.Diagnostics;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Server.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Llama4Kernels.Server.Telemetry;

/// <summary>What is measured of a request.</summary>
internal sealed class RequestRecord
{
    private static readonly object s_key = new();

    private readonly HttpContext _context;
    private readonly long _begun = Stopwatch.GetTimestamp();
    private long _first, _last;

    private RequestRecord(HttpContext context) => _context = context;

    /// <summary>The address as it was declared; null where there is nothing.</summary>
    public string? Route => (_context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;

    /// <summary>What was asked for, as OpenTelemetry's conventions name it; null for what takes no engine.</summary>
    public string? Operation { get; private set; }

    /// <summary>The model that was asked.</summary>
    public string? Model { get; private set; }

    /// <summary>How it is to be answered; null before that is read.</summary>
    public GenerationOptions? Options { get; private set; }

    /// <summary>How many choices were asked for.</summary>
    public int Choices { get; private set; } = 1;

    /// <summary>The answer's id; null before there is one.</summary>
    public string? ResponseId { get; private set; }

    /// <summary>The field that has the prompt, for errors about it.</summary>
    public string PromptField { get; set; } = "messages";

    /// <summary>HTTP status, or 499 for a client that left.</summary>
    public int Status { get; set; }

    /// <summary>The error that was told, or that a stream ended with; null for none.</summary>
    public ApiError? Failure { get; set; }

    /// <summary>Time so far.</summary>
    public TimeSpan ElapsedNow => Stopwatch.GetElapsedTime(_begun);

    /// <summary>Time in all, once it is over.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <summary>From the request to its first token; null if there was none.</summary>
    public TimeSpan? FirstToken => _first == 0 ? null : Stopwatch.GetElapsedTime(_begun, _first);

    public int PromptTokens { get; private set; }

    public int CachedTokens { get; private set; }

    public int NewTokens { get; private set; }

    /// <summary>Why its choices ended, in OpenAI's words.</summary>
    public List<string> FinishReasons { get; } = [];

    /// <summary>Time per token after the first, over all choices; null for fewer than two.</summary>
    public TimeSpan? BetweenTokens => NewTokens > 1 && _last > _first ? Stopwatch.GetElapsedTime(_first, _last) / (NewTokens - 1) : null;

    /// <summary>Begins the record of an exchange.</summary>
    public static RequestRecord Begin(HttpContext context)
    {
        var record = new RequestRecord(context);
        context.Items[s_key] = record;
        return record;
    }

    /// <summary>The record of an exchange that has begun.</summary>
    public static RequestRecord Of(HttpContext context) => (RequestRecord)context.Items[s_key]!;

    /// <summary>It is one for the engine.</summary>
    public void BeginOperation(string operation, string model) => (Operation, Model) = (operation, model);

    /// <summary>What was asked is read.</summary>
    public void Asked(GenerationOptions options, int choices, string responseId) => (Options, Choices, ResponseId) = (options, choices, responseId);

    /// <summary>A token has come.</summary>
    public void Token()
    {
        _last = Stopwatch.GetTimestamp();
        if (_first == 0)
        {
            _first = _last;
        }
    }

    /// <summary>A choice is done.</summary>
    public void Add(Usage usage, string finishReason)
    {
        PromptTokens += usage.PromptTokens;
        CachedTokens += usage.CachedTokens;
        NewTokens += usage.CompletionTokens;
        FinishReasons.Add(finishReason);
    }

    /// <summary>It is over.</summary>
    public void End(int status)
    {
        Status = status;
        Elapsed = ElapsedNow;
    }
}
