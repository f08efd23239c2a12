using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Cli.Schemas;

/// <summary>Times of many calls.</summary>
internal sealed class TimeSamples
{
    private readonly List<long> _ticks = [];
    private bool _sorted = true;

    public int Count => _ticks.Count;

    /// <summary>Microseconds.</summary>
    public double Mean => Count == 0 ? 0 : Microseconds((long)_ticks.Average());

    /// <summary>Microseconds that one call in a hundred exceeds.</summary>
    public double P99 => Count == 0 ? 0 : Microseconds(Sorted()[Math.Min((int)Math.Ceiling(Count * 0.99), Count) - 1]);

    /// <summary>Microseconds.</summary>
    public double Max => Count == 0 ? 0 : Microseconds(Sorted()[^1]);

    public void Add(long stopwatchTicks)
    {
        _ticks.Add(stopwatchTicks);
        _sorted = false;
    }

    public void Add(TimeSamples other)
    {
        _ticks.AddRange(other._ticks);
        _sorted = false;
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
        if (!_sorted)
        {
            _ticks.Sort();
            _sorted = true;
        }
        return _ticks;
    }
}
