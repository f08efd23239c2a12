using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>
/// What a shared machine does now: how long a cache line takes from the first of its processors to the second (about 25 ns within
/// one complex of cores, about 155 ns between two), how fast both read memory, and how many programs want to run.
/// </summary>
/// <param name="TransferNanoseconds">One way.</param>
/// <param name="ReadingGBs">Of the team.</param>
/// <param name="Load">Load average of the last minute.</param>
internal sealed record MachineState(double TransferNanoseconds, double ReadingGBs, double Load)
{
    private const int Trips = 20_000;

    /// <summary>Measures it in some tenths of a second.</summary>
    public static MachineState Measure(ThreadTeam team) => new(
        Environment.ProcessorCount > 1 ? Transfer() : double.NaN,
        ReadBandwidth.Measure(team, 256 << 20, 2) / 1e9,
        double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"cache line {TransferNanoseconds:F0} ns, reading {ReadingGBs:F1} GB/s, load {Load:F1}");

    /// <summary>The best of several rounds of throwing a line to and fro.</summary>
    private static double Transfer()
    {
        var line = new Line();
        double best = double.MaxValue;
        var other = new Thread(() =>
        {
            Affinity.Set(1);
            for (int i = 0; i < 5 * Trips; i++)
            {
                line.Await((2 * i) + 1);
                line.Set((2 * i) + 2);
            }
        })
        { IsBackground = true };
        var own = new Thread(() =>
        {
            Affinity.Set(0);
            for (int round = 0; round < 5; round++)
            {
                long start = Stopwatch.GetTimestamp();
                for (int i = round * Trips; i < (round + 1) * Trips; i++)
                {
                    line.Set((2 * i) + 1);
                    line.Await((2 * i) + 2);
                }
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / (2 * Trips));
            }
        });
        other.Start();
        own.Start();
        own.Join();
        other.Join();
        return best;
    }

    /// <summary>A number with a cache line to itself.</summary>
    private sealed class Line
    {
        private Padded _value;

        public void Set(int value) => Volatile.Write(ref _value.Number, value);

        public void Await(int value)
        {
            while (Volatile.Read(ref _value.Number) != value)
            {
            }
        }

        [StructLayout(LayoutKind.Explicit, Size = 128)]
        private struct Padded
        {
            [FieldOffset(64)]
            public int Number;
        }
    }
}
