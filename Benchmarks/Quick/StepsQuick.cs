using System.Diagnostics;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Decode steps of 1 to 64 sequences of a model, without an engine around them: what the arithmetic of many at once gives at the
/// most. Numbers of sequences take turns; of each the fastest tenth of the steps counts, which no neighbour interrupted.
/// </summary>
internal static class StepsQuick
{
    private const int Prompt = 64, Steps = 60, Rounds = 8;

    private static readonly int[] s_sequences = [1, 2, 4, 8, 16, 32, 64];

    public static void Run(string path, int threads)
    {
        foreach (ActivationPrecision precision in Enum.GetValues<ActivationPrecision>())
        {
            using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Activations = precision, Threads = threads, LoadVision = false });
            using var team = new ThreadTeam(threads);
            double fma = Ceilings.FmaPeak(team);
            var sizes = new EngineOptions { MaxContext = Prompt + Steps + 1, MaxLogitRows = s_sequences[^1], StepRows = 512 };
            List<double>[] times = Array.ConvertAll(s_sequences, _ => new List<double>());
            for (int round = -1; round < Rounds; round++)
            {
                for (int i = 0; i < s_sequences.Length; i++)
                {
                    List<double> steps = Measure(model, sizes, s_sequences[i]);
                    if (round >= 0)
                    {
                        times[i].AddRange(steps);
                    }
                }
            }
            Console.WriteLine($"{precision}, {team.Threads} threads, FMA {fma / 1e9:F0} GFLOP/s; {model.WeightBytesPerToken / 1e6:F2} MB of weights a token");
            Console.WriteLine("sequences | us a step | tokens/s | of one sequence");
            double single = Fast(times[0]);
            for (int i = 0; i < s_sequences.Length; i++)
            {
                double step = Fast(times[i]);
                Console.WriteLine($"{s_sequences[i],9} | {step,9:F0} | {s_sequences[i] / step * 1e6,8:F0} | {s_sequences[i] * single / step,5:F2}");
            }
        }
    }

    private static double Fast(List<double> times) => times.Order().ElementAt(times.Count / 10);

    /// <summary>Microseconds of each step.</summary>
    private static List<double> Measure(Llama4Model model, EngineOptions sizes, int count)
    {
        using var runner = new StepRunner(model, sizes);
        Sequence[] sequences = new Sequence[count];
        var parts = new StepPart[count];
        for (int i = 0; i < count; i++)
        {
            sequences[i] = runner.CreateSequence();
            sequences[i].Reserve(Prompt + Steps + 1);
            sequences[i].Append([.. Enumerable.Range(0, Prompt).Select(p => (((i + 2) * 104_729) + (p * 7919)) % model.Config.Text.VocabSize)]);
            runner.Run([new StepPart(sequences[i], Prompt, 1)]);
            parts[i] = new StepPart(sequences[i], 1, 1, DrawRule.Best);
        }
        List<double> times = new(Steps);
        for (int step = 0; step < Steps; step++)
        {
            for (int i = 0; i < count; i++)
            {
                sequences[i].Append([(7 + (31 * step) + i) % model.Config.Text.VocabSize]);
            }
            long start = Stopwatch.GetTimestamp();
            runner.Run(parts);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        Array.ForEach(sequences, sequence => sequence.Dispose());
        return times;
    }
}
