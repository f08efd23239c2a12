using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>bench</c>: speed of prefill and decode on this machine.</summary>
internal static class BenchCommand
{
    /// <summary>The bandwidth is probed on the weights themselves from the larger number of bytes on, below it on as many bytes as a token reads.</summary>
    private const long ProbeMinBytes = 4L << 20, ProbeMaxBytes = 1L << 30;

    public static Command Create(CommandConsole console)
    {
        var promptTokens = new Option<int>("--prompt-tokens", "-p") { Description = "Tokens of the prompt.", DefaultValueFactory = _ => 256, CustomParser = Numbers.Read<int> };
        var newTokens = new Option<int>("--new-tokens", "-n") { Description = "Tokens decoded after it.", DefaultValueFactory = _ => 64, CustomParser = Numbers.Read<int> };
        var repeat = new Option<int>("--repeat", "-r") { Description = "Measured runs after one warm-up; the medians are printed.", DefaultValueFactory = _ => 3, CustomParser = Numbers.Read<int> };
        var concurrency = new Option<string?>("--concurrency") { Description = "Measure an engine under so many requests at a time, as 1,4,16,64, instead of a single sequence." };
        var requests = new Option<int>("--requests") { Description = "With --concurrency: requests of each level.", DefaultValueFactory = _ => 64, CustomParser = Numbers.Read<int> };
        var shared = new Option<int>("--shared-prefix") { Description = "With --concurrency: tokens that all prompts begin with; without it they share none and nothing is reused.", CustomParser = Numbers.Read<int> };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var arguments = new ModelArguments(ActivationArgument.AsWeights);
        var shape = new ShapeArguments();
        var cache = new CacheArguments();
        var command = new Command("bench", "Measures prefill and decode speed, time to the first token and memory.") { promptTokens, newTokens, repeat, concurrency, requests, shared, json };
        arguments.AddTo(command);
        shape.AddTo(command);
        cache.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            (int prompt, int generate, int runs) = (parsed.GetValue(promptTokens), parsed.GetValue(newTokens), parsed.GetValue(repeat));
            if (prompt < 1 || generate < 1 || runs < 1)
            {
                throw new ArgumentException("--prompt-tokens, --new-tokens and --repeat must be 1 or more.");
            }
            int[]? levels = parsed.GetValue(concurrency) is string list ? Levels(list) : null;
            (int asked, int prefix) = (parsed.GetValue(requests), parsed.GetValue(shared));
            if (asked < 1 || prefix < 0 || prefix >= prompt)
            {
                throw new ArgumentException("--requests must be 1 or more, and --shared-prefix less than --prompt-tokens.");
            }
            long start = Stopwatch.GetTimestamp();
            // Requests are answered with text; a single sequence is token ids alone.
            using Llama4Model model = shape.Load(parsed, arguments, console, cancellation) ?? arguments.Load(parsed, console, cancellation, needsTokenizer: levels is not null);
            double loading = Stopwatch.GetElapsedTime(start).TotalSeconds;
            long loadingPeak = PeakMemory();
            if (levels is not null)
            {
                Print(await ServingBench.RunAsync(model, cache.Read(parsed), prompt, generate, asked, prefix, levels, cancellation).ConfigureAwait(false), report => report.ToText(), parsed.GetValue(json), console);
                return 0;
            }
            using var runner = new ModelRunner(model, cache.Read(parsed, new EngineOptions { MaxContext = prompt + generate }));
            CacheArguments.Print(console, runner.CacheBytes, runner.MaxContext);
            int[] ids = [.. Enumerable.Range(0, prompt).Select(i => i * 7919 % model.Config.Text.VocabSize)];
            Run(runner, ids, generate, cancellation);
            long peak = PeakMemory();
            using var team = new ThreadTeam(model.Options.Threads);
            double before = Ceiling(model, team);
            Timing[] timings = [.. Enumerable.Range(0, runs).Select(_ => Run(runner, ids, generate, cancellation))];
            double ceiling = Math.Max(before, Ceiling(model, team));
            double decoded = model.WeightBytesPerToken * generate / Median(timings, timing => timing.Decode);
            var report = new Report(
                model.Backend.Activations.ToString(),
                prompt,
                generate,
                prompt / Median(timings, timing => timing.Prefill),
                generate / Median(timings, timing => timing.Decode),
                1000 * Median(timings, timing => timing.Prefill),
                model.WeightBytesPerToken,
                decoded / ceiling,
                ceiling / 1e9,
                model.WeightBytes + model.Text.Weights.Embedding.Bytes,
                loading,
                loadingPeak,
                peak);
            Print(report, measured => measured.ToText(), parsed.GetValue(json), console);
            return 0;
        });
        return command;
    }

    private static void Print<T>(T report, Func<T, string> toText, bool asJson, CommandConsole console)
    {
        if (asJson)
        {
            ReportJson.Write(console, report);
        }
        else
        {
            console.Out.WriteLine(toText(report));
        }
    }

    private static int[] Levels(string list)
    {
        int[] levels = [.. list.Split(',').Select(text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int level) ? level : 0)];
        return levels.All(level => level is > 0 and <= 1024) ? levels : throw new ArgumentException($"--concurrency: '{list}' is not a list of numbers from 1 to 1024, as in 1,4,16.");
    }

    private static Timing Run(ModelRunner runner, int[] ids, int generate, CancellationToken cancellation)
    {
        using Sequence sequence = runner.CreateSequence();
        sequence.Reserve(ids.Length + generate);
        long start = Stopwatch.GetTimestamp();
        runner.Prefill(sequence, Prompt.FromIds(ids), null, cancellation);
        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < generate; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            FiniteLogits.Check(runner.Logits(), runner.Logits().Length);
            runner.Decode([sequence], [ReferenceMetrics.Top(runner.Logits())]);
        }
        return new Timing(prefill, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>How fast the weights of a token can be read where they lie; of a model that is small or not in this memory, how fast as many bytes.</summary>
    private static double Ceiling(Llama4Model model, ThreadTeam team) => model.Backend is CpuBackend cpu && model.WeightBytesPerToken >= ProbeMaxBytes
        ? cpu.MeasureReading(model.Text.Weights.MatricesPerToken(model.Config.Text.ExpertsPerToken))
        : ReadBandwidth.Measure(team, Math.Clamp(model.WeightBytesPerToken, ProbeMinBytes, ProbeMaxBytes));

    private static long PeakMemory()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static double Median(Timing[] timings, Func<Timing, double> value)
    {
        double[] sorted = [.. timings.Select(value).Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Seconds.</summary>
    private readonly record struct Timing(double Prefill, double Decode);

    internal sealed record Report(
        string Activations, int PromptTokens, int NewTokens, double PrefillTokensPerSecond, double DecodeTokensPerSecond,
        double TimeToFirstTokenMs, long WeightBytesPerToken, double ShareOfReadBandwidth, double ReadBandwidthGBs, long WeightBytes,
        double LoadSeconds, long LoadPeakMemoryBytes, long PeakMemoryBytes)
    {
        public string ToText() => string.Create(CultureInfo.InvariantCulture, $"""
            activations          {Activations}
            prefill              {PrefillTokensPerSecond:F1} tokens/s ({PromptTokens} tokens)
            decode               {DecodeTokensPerSecond:F1} tokens/s ({NewTokens} tokens)
            weights per token    {ByteSize.Text(WeightBytesPerToken)}, read at {ShareOfReadBandwidth:P0} of {ReadBandwidthGBs:F1} GB/s (measured in this run)
            time to first token  {TimeToFirstTokenMs:F1} ms
            packed weights       {ByteSize.Text(WeightBytes)}, the table of embeddings included
            loading              {LoadSeconds:F2} s, peak memory {ByteSize.Text(LoadPeakMemoryBytes)}
            peak memory          {ByteSize.Text(PeakMemoryBytes)}
            """);
    }
}
