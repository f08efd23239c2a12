using System.Globalization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>
/// Two engines in processes of their own that take turns, prompt by prompt and stretch by stretch of decoding: both see the same
/// machine, and ratios of neighbouring turns are what is reported, with their spread.
/// </summary>
internal static class ModelPeers
{
    /// <param name="own">This engine's arguments.</param>
    /// <param name="other">llama.cpp's.</param>
    /// <param name="threads">Threads of each.</param>
    /// <param name="prompts">Tokens of the prompts.</param>
    /// <param name="tokens">Tokens decoded at a time.</param>
    /// <param name="rounds">Turns of each.</param>
    public static void Run(string[] own, string[] other, int threads, int[] prompts, int tokens, int rounds)
    {
        using var team = new ThreadTeam(threads);
        using var first = new PeerProcess("this engine", own);
        using var second = new PeerProcess("llama.cpp", other);
        Console.WriteLine($"loading: {first.Name} {first.LoadSeconds:F2} s, {second.Name} {second.LoadSeconds:F2} s; {threads} threads, {rounds} rounds");
        (string Line, int Tokens)[] works = [.. prompts.Select(count => ($"prompt {count}", count)), ($"decode {tokens}", tokens)];
        foreach ((string line, int count) in works)
        {
            // The first turn touches everything once.
            first.Ask(line);
            second.Ask(line);
            List<double> firsts = [], seconds = [], ratios = [];
            MachineState before = MachineState.Measure(team);
            for (int round = 0; round < rounds; round++)
            {
                // Who comes first changes, so that neither always finds the other's heat.
                double a, b;
                if (round % 2 == 0)
                {
                    (a, b) = (first.Ask(line), second.Ask(line));
                }
                else
                {
                    b = second.Ask(line);
                    a = first.Ask(line);
                }
                firsts.Add(count / a);
                seconds.Add(count / b);
                ratios.Add(b / a);
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{line,-12} {first.Name} {Median(firsts):F1} tokens/s, {second.Name} {Median(seconds):F1}: {Median(ratios):F2} times ({ratios.Min():F2}–{ratios.Max():F2}); before: {before}; after: {MachineState.Measure(team)}"));
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"peak memory: {first.Name} {first.Ask("peak") / 1e9:F2} GB, {second.Name} {second.Ask("peak") / 1e9:F2} GB"));
    }

    /// <summary>The median.</summary>
    public static double Median(List<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
