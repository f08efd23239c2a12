using System.Diagnostics;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// How fast eight requests decode beside another process that is always busy: with and without it in turns, of each turn the share
/// of the better of the two quiet speeds around it.
/// </summary>
internal static class NeighbourQuick
{
    private const int Decodes = 8, Prompt = 16, NewTokens = 1600, Turns = 7;

    public static async Task RunAsync(string path)
    {
        foreach (ActivationPrecision precision in new[] { ActivationPrecision.BFloat16, ActivationPrecision.Float32 })
        {
            using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Activations = precision, LoadVision = false });
            await using var engine = new Llama4Engine(model, new EngineOptions { MaxContext = Prompt + NewTokens, MaxLogitRows = Decodes, StepRows = 512, KeepPrefixes = false });
            await SpeedAsync(engine).ConfigureAwait(false);
            List<double> quiet = [await SpeedAsync(engine).ConfigureAwait(false)], busy = [], shares = [];
            for (int turn = 0; turn < Turns; turn++)
            {
                // A process of its own, as the neighbours of a machine are.
                using (Process neighbour = Process.Start("sh", ["-c", "while :; do :; done"]))
                {
                    try
                    {
                        busy.Add(await SpeedAsync(engine).ConfigureAwait(false));
                    }
                    finally
                    {
                        neighbour.Kill();
                    }
                    neighbour.WaitForExit();
                }
                quiet.Add(await SpeedAsync(engine).ConfigureAwait(false));
                shares.Add(busy[^1] / Math.Max(quiet[^2], quiet[^1]));
            }
            Console.WriteLine($"{precision}, {Decodes} decodes, medians of {Turns} turns: quiet {Median(quiet):F0} tokens/s, beside a busy process {Median(busy):F0}, of the better of the quiet ones around it {Median(shares):P0} ({string.Join(", ", shares.Select(share => share.ToString("P0")))})");
        }
    }

    private static async Task<double> SpeedAsync(Llama4Engine engine)
    {
        long start = Stopwatch.GetTimestamp();
        int tokens = 0;
        await Task.WhenAll(Enumerable.Range(0, Decodes).Select(i => Task.Run(async () =>
        {
            await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, i)).ConfigureAwait(false))
            {
                Interlocked.Increment(ref tokens);
            }
        }))).ConfigureAwait(false);
        return tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static GenerationRequest Request(Llama4Engine engine, int number) =>
        new(Llama4Kernels.Engine.Chat.Prompt.FromIds([.. Enumerable.Range(0, Prompt).Select(i => (((number + 2) * 104_729) + (i * 7919)) % engine.Model.Config.Text.VocabSize)]),
            new GenerationOptions { Temperature = 0, MaxTokens = NewTokens, IgnoreEos = true });

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
