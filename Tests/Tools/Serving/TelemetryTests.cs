using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Llama4Kernels.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>What a server tells of itself.</summary>
[Collection(SampleServer.Name)]
public sealed partial class TelemetryTests(SampleServer sample)
{
    [Theory]
    [InlineData(false, "llama4_generated_tokens_total", "llama4_request_seconds_count", "llama4_running_sequences")]
    [InlineData(true, "vllm:generation_tokens_total{model_name=\"sample-model\"}", "vllm:e2e_request_latency_seconds_count{model_name=\"sample-model\"}", "vllm:num_requests_running{model_name=\"sample-model\"}")]
    public async Task MetricsCount(bool vllm, string tokens, string requests, string running)
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { VllmMetricNames = vllm });
        int generated = 0;
        for (int i = 0; i < 3; i++)
        {
            generated += (await client.ChatAsync(Bodies.Chat())).Ok().Json["usage"]!["completion_tokens"]!.GetValue<int>();
        }
        (await client.ChatAsync("{}")).Fails(400, "missing_required_parameter", "messages");
        // Its own count comes after its answer.
        Dictionary<string, double> values = [];
        for (int i = 0; i < 100 && !(values.TryGetValue(requests, out double count) && count == 3); i++)
        {
            values = Values((await client.GetAsync("metrics")).Ok().Body);
        }
        Assert.Equal(3, values[requests]);
        Assert.Equal(generated, values[tokens]);
        Assert.Equal(0, values[running]);
        if (!vllm)
        {
            Assert.Equal(3, values["llama4_http_requests_total{route=\"/v1/chat/completions\",status=\"200\"}"]);
            Assert.Equal(1, values["llama4_http_requests_total{route=\"/v1/chat/completions\",status=\"400\"}"]);
        }
    }

    [Fact]
    public async Task SpansHaveTheNamesOfTheConventions()
    {
        List<Activity> spans = [];
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == GenAi.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine);
        await client.ChatAsync(Bodies.Chat(more: "\"temperature\": 0, \"max_tokens\": 3, \"seed\": 5"));
        await client.ChatAsync(Bodies.Chat(more: "\"top_p\": 7"));
        Activity good = spans[0], bad = spans[1];
        Assert.Equal("chat sample-model", good.DisplayName);
        Assert.Equal("chat", good.GetTagItem("gen_ai.operation.name"));
        Assert.Equal(3, good.GetTagItem("gen_ai.request.max_tokens"));
        Assert.Equal(3, good.GetTagItem("gen_ai.usage.output_tokens"));
        Assert.Equal(["length"], (string[])good.GetTagItem("gen_ai.response.finish_reasons")!);
        Assert.Equal(ActivityStatusCode.Unset, good.Status);
        Assert.Equal("invalid_value", bad.GetTagItem("error.type"));
        Assert.Equal(ActivityStatusCode.Error, bad.Status);
        Assert.All(spans, span => Assert.DoesNotContain(span.TagObjects, tag => tag.Value is string text && text.Contains("experts", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task NeitherQuestionsNorAnswersNorKeysAreLogged()
    {
        var log = new ListLog();
        const string Secret = "zebra-crossing";
        await using (ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { Logging = logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log) }))
        {
            (await client.ChatAsync(Bodies.Chat($"{Secret} {Bodies.Question}"))).Ok();
            await client.ChatAsync(Bodies.Chat(Secret, $"\"{Secret}\": 1"));
            await client.ChatAsync($"{{ {Secret}");
            await client.ChatAsync(Bodies.Chat(Secret, $"\"stop\": {{\"{Secret}\": 1}}"));
            await client.PostAsync("v1/chat/completions", Bodies.Chat(), Secret);
        }
        Assert.Contains(log.Lines, line => line.Contains("/v1/chat/completions", StringComparison.Ordinal) && line.Contains("200", StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, line => line.Contains(Secret, StringComparison.Ordinal));
    }

    private static Dictionary<string, double> Values(string text)
    {
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Matches(MetricLine(), line);
        }
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#')
            .ToDictionary(line => line[..line.LastIndexOf(' ')], line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    [GeneratedRegex("""^(# (HELP|TYPE) [a-z0-9_:]+ .+|[a-z0-9_:]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-0-9.E+]+)$""")]
    private static partial Regex MetricLine();

    private sealed class ListLog : ILoggerProvider, ILogger
    {
        private readonly List<string> _lines = [];

        public string[] Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines)
            {
                _lines.Add(formatter(state, exception) + exception);
            }
        }

        public void Dispose()
        {
        }
    }
}
