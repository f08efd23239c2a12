using System.Diagnostics;
using System.Globalization;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Server;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// What the server adds to the engine at 16 streams: processor time of this process per streamed token, with the engine asked
/// directly and over HTTP in turns. The clients are processes of their own (curl), so that their time is not counted.
/// </summary>
internal static class ServerQuick
{
    private const int Streams = 16, Turns = 3;
    private const string Question = "How many experts does Scout have?";

    private static readonly EngineOptions s_sizes = new() { MaxLogitRows = Streams, KeepPrefixes = false };

    // Four layers and eight experts of Scout.
    private const string Slice = """
        {"model_type":"llama4_text","hidden_size":5120,"num_hidden_layers":4,"num_attention_heads":40,"num_key_value_heads":8,"head_dim":128,"intermediate_size":8192,
         "intermediate_size_mlp":16384,"vocab_size":202048,"num_local_experts":8,"num_experts_per_tok":1,"attention_chunk_size":8192,"max_position_embeddings":131072,
         "use_qk_norm":true,"rope_theta":500000.0,"rms_norm_eps":1e-5,"bos_token_id":200000,"eos_token_id":[200001,200007,200008]}
        """;

    /// <summary>A model that takes a fraction of a millisecond a token.</summary>
    public static async Task RunAsync(string path)
    {
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(path, new ModelOptions { Threads = 1 }, s_sizes).ConfigureAwait(false);
        await RunAsync(engine, 1500).ConfigureAwait(false);
    }

    /// <summary>A slice of Scout with random int4 weights, in the words of another model.</summary>
    public static async Task RunSliceAsync(string tokenizer)
    {
        var options = new ModelOptions { Activations = ActivationPrecision.Int8, Weights = WeightScheme.Int4, Include = LinearParts.All };
        using Llama4Model model = Llama4Model.OfRandomWeights(ModelConfig.Parse(Slice, "slice"), "slice", options, () => File.ReadAllBytes(Path.Combine(tokenizer, "tokenizer.json")));
        await using var engine = new Llama4Engine(model, s_sizes with { MaxContext = 256 });
        await RunAsync(engine, 100).ConfigureAwait(false);
    }

    private static async Task RunAsync(Llama4Engine engine, int tokens)
    {
        await using Llama4Server server = await Llama4Server.StartAsync(new ServerOptions { Port = 0, ModelName = "model" }).ConfigureAwait(false);
        server.Serve(engine);
        await DirectAsync(engine, 16).ConfigureAwait(false);
        await ServedAsync(server, 16).ConfigureAwait(false);
        List<(double Cpu, double Wall)> direct = [], served = [];
        for (int turn = 0; turn < Turns; turn++)
        {
            direct.Add(await MeasureAsync(tokens, () => DirectAsync(engine, tokens)).ConfigureAwait(false));
            served.Add(await MeasureAsync(tokens, () => ServedAsync(server, tokens)).ConfigureAwait(false));
            Console.WriteLine(FormattableString.Invariant($"turn {turn + 1}: engine {direct[^1].Cpu:0.0} us of processor time a token, {1e6 / direct[^1].Wall:0} tokens/s; served {served[^1].Cpu:0.0} us, {1e6 / served[^1].Wall:0} tokens/s"));
        }
        double engineCpu = direct.Min(one => one.Cpu), servedCpu = served.Min(one => one.Cpu);
        Console.WriteLine(FormattableString.Invariant($"best of {Turns}: the server adds {servedCpu - engineCpu:0.0} us a token ({servedCpu / engineCpu:0.00} times); throughput {direct.Min(one => one.Wall) / served.Min(one => one.Wall):0.00} of the engine's, with {Streams} clients on the same processors"));
    }

    /// <summary>Microseconds a token: of processor time of this process, and of the clock.</summary>
    private static async Task<(double Cpu, double Wall)> MeasureAsync(int tokens, Func<Task> run)
    {
        using var process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        long begun = Stopwatch.GetTimestamp();
        await run().ConfigureAwait(false);
        TimeSpan wall = Stopwatch.GetElapsedTime(begun);
        process.Refresh();
        return ((process.TotalProcessorTime - before).TotalMicroseconds / (Streams * tokens), wall.TotalMicroseconds / (Streams * tokens));
    }

    private static Task DirectAsync(Llama4Engine engine, int tokens) => Task.WhenAll(Enumerable.Range(0, Streams).Select(_ => Task.Run(async () =>
    {
        Conversation conversation = engine.CreateConversation();
        conversation.Add(ChatMessage.FromText(ChatRole.User, Question));
        await foreach (GenerationUpdate update in conversation.AnswerAsync(new GenerationOptions { Temperature = 0, IgnoreEos = true, MaxTokens = tokens }).ConfigureAwait(false))
        {
        }
    })));

    private static Task ServedAsync(Llama4Server server, int tokens)
    {
        string body = $$"""{"messages": [{"role": "user", "content": "{{Question}}"}], "temperature": 0, "ignore_eos": true, "stream": true, "max_tokens": {{tokens.ToString(CultureInfo.InvariantCulture)}}}""";
        return Task.WhenAll(Enumerable.Range(0, Streams).Select(async _ =>
        {
            string[] arguments = [new Uri(server.Address, "v1/chat/completions").ToString(), "--silent", "--fail", "--no-buffer", "--noproxy", "*", "--output", "/dev/null", "-H", "Content-Type: application/json", "-d", body];
            using Process client = Process.Start("curl", arguments);
            await client.WaitForExitAsync().ConfigureAwait(false);
            if (client.ExitCode != 0)
            {
                throw new InvalidOperationException($"curl ended with {client.ExitCode}.");
            }
        }));
    }
}
