using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>Times what a <see cref="CudaBackend"/> does: many times in one graph, between two events of its stream, so that neither the host nor gaps between its launches count.</summary>
public sealed class CudaTimer : IDisposable
{
    // The first step of a shape goes out as it comes, the second is captured: from the third on it is a graph.
    private const int WarmUp = 2;

    private readonly CudaEvent _start, _end;

    /// <summary>Makes a stream, which a backend is to be given.</summary>
    public CudaTimer(CudaContext context)
    {
        Stream = CudaStream.Create(context);
        _start = CudaEvent.Create(context, timing: true);
        _end = CudaEvent.Create(context, timing: true);
    }

    /// <summary>For <see cref="CudaBackendOptions.Stream"/> of the backend.</summary>
    public CudaStream Stream { get; }

    /// <summary>Seconds of one among so many in a graph, the best of some runs.</summary>
    /// <param name="backend">The backend, on <see cref="Stream"/>.</param>
    /// <param name="count">How many a graph has.</param>
    /// <param name="runs">How often it is launched.</param>
    /// <param name="work">Does the i-th of them; must not download.</param>
    /// <exception cref="CudaException">The device failed.</exception>
    public double Seconds(IBackend backend, int count, int runs, Action<int> work)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(work);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(runs);
        double best = double.PositiveInfinity;
        for (int run = -WarmUp; run < runs; run++)
        {
            backend.BeginStep(1, repeats: true);
            for (int i = 0; i < count; i++)
            {
                work(i);
            }
            _start.Record(Stream);
            backend.EndStep();
            _end.Record(Stream);
            _end.Synchronize();
            best = run < 0 ? best : Math.Min(best, _end.MillisecondsSince(_start) / 1e3 / count);
        }
        return best;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _end.Dispose();
        _start.Dispose();
        Stream.Dispose();
    }
}
