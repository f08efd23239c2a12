namespace Llama4Kernels.Server.Telemetry;

/// <summary>Counts times in buckets, from any thread.</summary>
/// <param name="bounds">Upper bounds in seconds, ascending.</param>
internal sealed class Histogram(double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private long _ticks;

    public ReadOnlySpan<double> Bounds => bounds;

    public double SumSeconds => TimeSpan.FromTicks(Volatile.Read(ref _ticks)).TotalSeconds;

    /// <summary>Times at or below each bound, and all of them last: each bucket has those before it, as Prometheus wants them.</summary>
    public long[] Cumulative()
    {
        long[] counts = new long[_counts.Length];
        long sum = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            sum += Volatile.Read(ref _counts[i]);
            counts[i] = sum;
        }
        return counts;
    }

    public void Add(TimeSpan time)
    {
        int bucket = Array.BinarySearch(bounds, time.TotalSeconds);
        Interlocked.Increment(ref _counts[bucket >= 0 ? bucket : ~bucket]);
        Interlocked.Add(ref _ticks, time.Ticks);
    }
}
