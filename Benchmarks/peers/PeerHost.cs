using System.Diagnostics;
using System.Globalization;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>
/// The side of a process that has one engine alone: it loads, says how long that took, and does what its input asks for,
/// a line each: <c>prompt N</c>, <c>decode N</c> or <c>peak</c>. Each is answered by a number: seconds, or bytes.
/// </summary>
internal static class PeerHost
{
    /// <summary>The prompt that decoding goes on from.</summary>
    private const int ShortPrompt = 16;

    /// <summary>Runs until the input ends.</summary>
    public static void Run(Func<IPeer> load)
    {
        // What the libraries print goes elsewhere: the standard output has numbers alone.
        using TextWriter output = TextWriter.Synchronized(new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true });
        long start = Stopwatch.GetTimestamp();
        using IPeer peer = load();
        void Answer(double number) => output.WriteLine(number.ToString("R", CultureInfo.InvariantCulture));
        Answer(Stopwatch.GetElapsedTime(start).TotalSeconds);
        while (Console.In.ReadLine() is string line)
        {
            string[] words = line.Split(' ');
            int[] ids = [.. Enumerable.Range(0, words.Length > 1 ? int.Parse(words[1], CultureInfo.InvariantCulture) : 0).Select(i => Id(i, peer.VocabularySize))];
            switch (words[0])
            {
                case "prompt":
                    start = Stopwatch.GetTimestamp();
                    peer.Prompt(ids);
                    Answer(Stopwatch.GetElapsedTime(start).TotalSeconds);
                    break;
                case "decode":
                    peer.Prompt(Enumerable.Range(0, ShortPrompt).Select(i => Id(i, peer.VocabularySize)).ToArray());
                    start = Stopwatch.GetTimestamp();
                    Array.ForEach(ids, peer.Decode);
                    Answer(Stopwatch.GetElapsedTime(start).TotalSeconds);
                    break;
                case "peak":
                    using (Process process = Process.GetCurrentProcess())
                    {
                        Answer(process.PeakWorkingSet64);
                    }
                    break;
                default:
                    throw new InvalidOperationException($"Nothing is called {words[0]}.");
            }
        }
    }

    // The last words of a vocabulary are often control tokens; neighbours take different experts.
    private static int Id(int i, int words) => (int)((i + 1) * 2654435761L % (words - 16));
}
