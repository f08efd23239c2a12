using System.Text;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Serving;
using Llama4Kernels.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>GET /metrics</c>: Prometheus' text, under our names or vLLM's.</summary>
internal static class MetricsEndpoint
{
    public static async Task GetAsync(HttpContext context, ServerState state)
    {
        PrometheusText text = state.Options.VllmMetricNames ? Vllm(state) : Ours(state);
        context.Response.ContentType = PrometheusText.ContentType;
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), context.RequestAborted).ConfigureAwait(false);
    }

    private static PrometheusText Ours(ServerState state)
    {
        (ServerMetrics metrics, Llama4Engine? engine) = (state.Metrics, state.Engine);
        return new PrometheusText()
            .Counters("llama4_http_requests_total", "Requests by address and HTTP status; 499 is a client that left.", metrics.Requests.Select(one =>
                ($"{PrometheusText.Label("route", one.Key.Route)},status=\"{one.Key.Status}\"", one.Value)))
            .Counters("llama4_choices_total", "Answers by why they ended.", metrics.Finished.Select(one => (PrometheusText.Label("finish_reason", one.Key), one.Value)))
            .Gauge("llama4_ready", "1 while requests would be served.", state.NotReady is null ? 1 : 0)
            .Gauge("llama4_open_requests", "Requests that are open.", state.Open)
            .Gauge("llama4_running_sequences", "Sequences that take part in steps.", engine?.Running ?? 0)
            .Gauge("llama4_waiting_sequences", "Sequences that wait for their turn.", engine?.Waiting ?? 0)
            .Gauge("llama4_cache_bytes", "Budget of cached keys and values.", engine?.CacheBytes ?? 0)
            .Gauge("llama4_cache_used_bytes", "Bytes of it in use, kept prefixes included.", engine?.UsedBytes ?? 0)
            .Counter("llama4_steps_total", "Steps of the engine.", engine?.Steps ?? 0)
            .Counter("llama4_preemptions_total", "How often a sequence gave its blocks up and was computed again.", engine?.Preemptions ?? 0)
            .Counter("llama4_prompt_tokens_total", "Tokens of prompts.", metrics.PromptTokens)
            .Counter("llama4_cached_prompt_tokens_total", "Tokens of prompts that were cached already.", metrics.CachedTokens)
            .Counter("llama4_generated_tokens_total", "Tokens of answers.", metrics.NewTokens)
            .Times("llama4_request_seconds", "Time of requests that gave a token.", metrics.RequestTime)
            .Times("llama4_first_token_seconds", "From a request to its first token.", metrics.FirstToken)
            .Times("llama4_between_tokens_seconds", "Mean time between tokens of a request.", metrics.BetweenTokens);
    }

    private static PrometheusText Vllm(ServerState state)
    {
        (ServerMetrics metrics, Llama4Engine? engine) = (state.Metrics, state.Engine);
        string model = PrometheusText.Label("model_name", state.Options.ModelName);
        return new PrometheusText()
            .Gauge("vllm:num_requests_running", "Sequences that take part in steps.", engine?.Running ?? 0, model)
            .Gauge("vllm:num_requests_waiting", "Sequences that wait for their turn.", engine?.Waiting ?? 0, model)
            .Gauge("vllm:kv_cache_usage_perc", "Share of the cache in use, 0 to 1.", engine is null or { CacheBytes: 0 } ? 0 : (double)engine.UsedBytes / engine.CacheBytes, model)
            .Counter("vllm:num_preemptions_total", "How often a sequence gave its blocks up and was computed again.", engine?.Preemptions ?? 0, model)
            .Counter("vllm:prompt_tokens_total", "Tokens of prompts.", metrics.PromptTokens, model)
            .Counter("vllm:generation_tokens_total", "Tokens of answers.", metrics.NewTokens, model)
            .Counter("vllm:prefix_cache_queries_total", "Tokens of prompts that were looked up in the cache.", metrics.PromptTokens, model)
            .Counter("vllm:prefix_cache_hits_total", "Tokens of prompts that were cached already.", metrics.CachedTokens, model)
            .Counters("vllm:request_success_total", "Answers by why they ended.", metrics.Finished.Select(one =>
                ($"{model},{PrometheusText.Label("finished_reason", one.Key == "length" ? "length" : "stop")}", one.Value))
                .GroupBy(one => one.Item1).Select(group => (group.Key, group.Sum(one => one.Value))))
            .Times("vllm:e2e_request_latency_seconds", "Time of requests that gave a token.", metrics.RequestTime, model)
            .Times("vllm:time_to_first_token_seconds", "From a request to its first token.", metrics.FirstToken, model)
            .Times("vllm:request_time_per_output_token_seconds", "Mean time between tokens of a request.", metrics.BetweenTokens, model);
    }
}
