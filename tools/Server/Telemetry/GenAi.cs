using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;

namespace Llama4Kernels.Server.Telemetry;

/// <summary>
/// Spans and metrics under the names of OpenTelemetry's conventions for generative AI. What is asked and answered is in none of
/// them.
/// </summary>
internal static class GenAi
{
    /// <summary>The name of the source of spans and of the meter.</summary>
    public const string Name = "Llama4Kernels.Server";

    private const string Provider = "llama4kernels";

    private static readonly ActivitySource s_source = new(Name, typeof(GenAi).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion);
    private static readonly Meter s_meter = new(Name);
    private static readonly Histogram<double> s_duration = s_meter.CreateHistogram<double>("gen_ai.server.request.duration", "s", "Time of a request.");
    private static readonly Histogram<double> s_first = s_meter.CreateHistogram<double>("gen_ai.server.time_to_first_token", "s", "From a request to its first token.");
    private static readonly Histogram<double> s_between = s_meter.CreateHistogram<double>("gen_ai.server.time_per_output_token", "s", "Mean time between tokens of a request, after the first.");

    /// <summary>Begins the span of a request; null if nobody listens.</summary>
    public static Activity? Begin(RequestRecord record) => s_source.StartActivity($"{record.Operation} {record.Model}", ActivityKind.Internal);

    /// <summary>Ends it with what is known now, and counts the request.</summary>
    public static void End(Activity? span, RequestRecord record, string? error)
    {
        if (span is not null)
        {
            Describe(span, record, error);
            span.Dispose();
        }
        TagList tags = new()
        {
            { "gen_ai.operation.name", record.Operation },
            { "gen_ai.provider.name", Provider },
            { "gen_ai.request.model", record.Model },
        };
        if (error is not null)
        {
            tags.Add("error.type", error);
        }
        s_duration.Record(record.ElapsedNow.TotalSeconds, tags);
        if (record.FirstToken is TimeSpan first)
        {
            s_first.Record(first.TotalSeconds, tags);
        }
        if (record.BetweenTokens is TimeSpan between)
        {
            s_between.Record(between.TotalSeconds, tags);
        }
    }

    private static void Describe(Activity span, RequestRecord record, string? error)
    {
        span.SetTag("gen_ai.operation.name", record.Operation);
        span.SetTag("gen_ai.provider.name", Provider);
        span.SetTag("gen_ai.request.model", record.Model);
        span.SetTag("gen_ai.response.model", record.Model);
        if (record.Options is { } options)
        {
            span.SetTag("gen_ai.response.id", record.ResponseId);
            span.SetTag("gen_ai.request.temperature", (double)options.Temperature);
            span.SetTag("gen_ai.request.top_p", (double)options.TopP);
            span.SetTag("gen_ai.request.top_k", options.TopK);
            span.SetTag("gen_ai.request.max_tokens", options.MaxTokens);
            span.SetTag("gen_ai.request.frequency_penalty", (double)options.FrequencyPenalty);
            span.SetTag("gen_ai.request.presence_penalty", (double)options.PresencePenalty);
            span.SetTag("gen_ai.request.seed", (long?)options.Seed);
            span.SetTag("gen_ai.request.choice.count", record.Choices == 1 ? null : record.Choices);
        }
        if (record.FinishReasons.Count > 0)
        {
            span.SetTag("gen_ai.response.finish_reasons", record.FinishReasons.ToArray());
            span.SetTag("gen_ai.usage.input_tokens", record.PromptTokens);
            span.SetTag("gen_ai.usage.cache_read.input_tokens", record.CachedTokens);
            span.SetTag("gen_ai.usage.output_tokens", record.NewTokens);
        }
        if (error is not null)
        {
            span.SetTag("error.type", error);
            span.SetStatus(ActivityStatusCode.Error);
        }
    }
}
