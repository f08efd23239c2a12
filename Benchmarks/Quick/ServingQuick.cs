using System.Diagnostics;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// An engine whose requests disturb each other: how long eight that decode wait for a token while a prompt of 2,000 tokens
/// arrives, against a step of as many rows as the budget allows; and how fast they decode beside a process that is always busy.
/// </summary>
internal static class ServingQuick
{
    private const int Decodes = 8, Prompt = 2000, StepTokens = 128, NewTokens = 400, Rounds = 5;

    public static async Task RunAsync(string path)
    {
        using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Activations = ActivationPrecision.BFloat16, LoadVision = false });
        var options = new EngineOptions { MaxContext = Prompt + NewTokens, MaxLogitRows = Decodes + 1, StepRows = 512, StepTokens = StepTokens, KeepPrefixes = false };
        await using var engine = new Llama4Engine(model, options);
        List<double> quiet = [], beside = [];
        for (int round = -1; round < Rounds; round++)
        {
            (List<double> alone, List<double> with) = await MeasureAsync(engine).ConfigureAwait(false);
            if (round >= 0)
            {
                quiet.AddRange(alone);
                beside.AddRange(with);
            }
        }
        double budget = StepOf(model, options);
        Console.WriteLine($"{Decodes} decodes, ms between tokens: alone median {At(quiet, 0.5):F2}, p99 {At(quiet, 0.99):F2}; while {Prompt} tokens of a prompt are computed median {At(beside, 0.5):F2}, p99 {At(beside, 0.99):F2}");
        Console.WriteLine($"a step of {StepTokens} rows, the budget, at the prompt's end: {budget:F2} ms; the median is {At(beside, 0.5) / budget:F2} times that");
        double before = await SpeedAsync(engine).ConfigureAwait(false), busy;
        // A process of its own, as the neighbours of a machine are.
        using (Process neighbour = Process.Start("sh", ["-c", "while :; do :; done"]))
        {
            try
            {
                busy = await SpeedAsync(engine).ConfigureAwait(false);
            }
            finally
            {
                neighbour.Kill();
            }
        }
        double after = await SpeedAsync(engine).ConfigureAwait(false);
        Console.WriteLine($"{Decodes} decodes: {before:F0} and {after:F0} tokens/s, beside a busy neighbour {busy:F0}: {busy / Math.Max(before, after):P0}");
    }

    /// <summary>Milliseconds between tokens before the prompt comes and until its first token.</summary>
    private static async Task<(List<double> Alone, List<double> Beside)> MeasureAsync(Llama4Engine engine)
    {
        List<double> alone = [], beside = [];
        bool isPrompt = false, isOver = false;
        var started = new CountdownEvent(Decodes);
        Task[] decodes = [.. Enumerable.Range(0, Decodes).Select(i => Task.Run(async () =>
        {
            long last = 0;
            int tokens = 0;
            await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, i, 16, NewTokens)).ConfigureAwait(false))
            {
                double elapsed = Stopwatch.GetElapsedTime(last).TotalMilliseconds;
                if (++tokens > 20 && !Volatile.Read(ref isOver))
                {
                    List<double> times = Volatile.Read(ref isPrompt) ? beside : alone;
                    lock (times)
                    {
                        times.Add(elapsed);
                    }
                }
                if (tokens == 100)
                {
                    started.Signal();
                }
                last = Stopwatch.GetTimestamp();
            }
        }))];
        await Task.Run(started.Wait).ConfigureAwait(false);
        Volatile.Write(ref isPrompt, true);
        await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, Decodes, Prompt, 1)).ConfigureAwait(false))
        {
            Volatile.Write(ref isOver, true);
        }
        await Task.WhenAll(decodes).ConfigureAwait(false);
        started.Dispose();
        return (alone, beside);
    }

    /// <summary>Milliseconds of the last step of a prompt of as many rows as the budget has.</summary>
    private static double StepOf(Llama4Model model, EngineOptions options)
    {
        using var runner = new StepRunner(model, options);
        List<double> times = [];
        for (int round = 0; round < Rounds + 1; round++)
        {
            using Sequence sequence = runner.CreateSequence();
            sequence.Append(Ids(model, round, Prompt));
            while (sequence.Pending > 0)
            {
                int rows = sequence.Blocks.RowsBeforeChunkEdge(Math.Min(StepTokens, sequence.Pending));
                long start = Stopwatch.GetTimestamp();
                runner.Run([new StepPart(sequence, rows, 1)]);
                if (round > 0 && rows == StepTokens)
                {
                    times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }
            }
        }
        return At(times, 0.5);
    }

    private static async Task<double> SpeedAsync(Llama4Engine engine)
    {
        long start = Stopwatch.GetTimestamp();
        int tokens = 0;
        await Task.WhenAll(Enumerable.Range(0, Decodes).Select(i => Task.Run(async () =>
        {
            await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, i, 16, NewTokens)).ConfigureAwait(false))
            {
                Interlocked.Increment(ref tokens);
            }
        }))).ConfigureAwait(false);
        return tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static GenerationRequest Request(Llama4Engine engine, int number, int prompt, int tokens) =>
        new(Llama4Kernels.Engine.Chat.Prompt.FromIds(Ids(engine.Model, number, prompt)), new GenerationOptions { Temperature = 0, MaxTokens = tokens, IgnoreEos = true });

    private static int[] Ids(Llama4Model model, int number, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (((number + 2) * 104_729) + (i * 7919)) % model.Config.Text.VocabSize)];

    private static double At(List<double> values, double share) => values.Order().ElementAt((int)(share * (values.Count - 1)));
}
