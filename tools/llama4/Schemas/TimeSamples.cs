using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Cli.Schemas;

/// <summary>Times of many calls.</summary>
internal sealed class TimeSamples
{
    private readonly List<long> ticks = [];
    private bool sorted = true;

    public int Count => ticks.Count;

    /// <summary>Microseconds.</summary>
    public double Mean => Count == 0 ? 0 : Microseconds((long)ticks.Average());

    /// <summary>Microseconds that one call in a hundred exceeds.</summary>
    public double P99 => Count == 0 ? 0 : Microseconds(Sorted()[Math.Min((int)Math.Ceiling(Count * 0.99), Count) - 1]);

    /// <summary>Microseconds.</summary>
    public double Max => Count == 0 ? 0 : Microseconds(Sorted()[^1]);

    public void Add(long stopwatchTicks)
    {
        ticks.Add(stopwatchTicks);
        sorted = false;
    }

    public void Add(TimeSamples other)
    {
        ticks.AddRange(other.ticks);
        sorted = false;
    }

    public JsonObject ToJson() => new()
    {
        ["count"] = Count,
        ["meanMicroseconds"] = Math.Round(Mean, 3),
        ["p99Microseconds"] = Math.Round(P99, 3),
        ["maxMicroseconds"] = Math.Round(Max, 3),
    };

    private static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;

    private List<long> Sorted()
    {
        if (!sorted)
        {
            ticks.Sort();
            sorted = true;
        }
        return ticks;
    }
}
