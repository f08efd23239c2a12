using System.Diagnostics;
using System.Globalization;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// What the server adds to the engine at 16 streams: processor time of this process per streamed token, with the engine asked
/// directly and over HTTP in turns. The clients are processes of their own (curl), so that their time is not counted.
/// </summary>
internal static class ServerQuick
{
    private const int Streams = 16, Tokens = 1500, Turns = 3;
    private const string Question = "How many experts does Scout have?";

    public static async Task RunAsync(string path)
    {
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(path, new ModelOptions { Threads = 1 }, new EngineOptions { MaxLogitRows = Streams, KeepPrefixes = false }).ConfigureAwait(false);
        await using Llama4Server server = await Llama4Server.StartAsync(new ServerOptions { Port = 0, ModelName = "model" }).ConfigureAwait(false);
        server.Serve(engine);
        await DirectAsync(engine, 100).ConfigureAwait(false);
        await ServedAsync(server, 100).ConfigureAwait(false);
        List<(double Cpu, double Wall)> direct = [], served = [];
        for (int turn = 0; turn < Turns; turn++)
        {
            direct.Add(await MeasureAsync(() => DirectAsync(engine, Tokens)).ConfigureAwait(false));
            served.Add(await MeasureAsync(() => ServedAsync(server, Tokens)).ConfigureAwait(false));
            Console.WriteLine(FormattableString.Invariant($"turn {turn + 1}: engine {direct[^1].Cpu:0.0} us of processor time a token, {1e6 / direct[^1].Wall:0} tokens/s; served {served[^1].Cpu:0.0} us, {1e6 / served[^1].Wall:0} tokens/s"));
        }
        double engineCpu = direct.Min(one => one.Cpu), servedCpu = served.Min(one => one.Cpu);
        Console.WriteLine(FormattableString.Invariant($"best of {Turns}: the server adds {servedCpu - engineCpu:0.0} us a token ({servedCpu / engineCpu:0.00} times); throughput {direct.Min(one => one.Wall) / served.Min(one => one.Wall):0.00} of the engine's, with {Streams} clients on the same processors"));
    }

    /// <summary>Microseconds a token: of processor time of this process, and of the clock.</summary>
    private static async Task<(double Cpu, double Wall)> MeasureAsync(Func<Task> run)
    {
        using var process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        long begun = Stopwatch.GetTimestamp();
        await run().ConfigureAwait(false);
        TimeSpan wall = Stopwatch.GetElapsedTime(begun);
        process.Refresh();
        return ((process.TotalProcessorTime - before).TotalMicroseconds / (Streams * Tokens), wall.TotalMicroseconds / (Streams * Tokens));
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
