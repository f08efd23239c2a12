using System.Buffers.Binary;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Prediction;

/// <summary>
/// Counts launches, those that do the same once: same kernel, grid and arguments but for addresses, in the same state of what they read.
/// </summary>
/// <param name="modules">Where kernels come from: what arguments they take.</param>
/// <param name="device">The device.</param>
/// <param name="progress">Told a kernel's name before it is counted.</param>
/// <param name="cancellation">Checked before each.</param>
internal sealed class LaunchCounter(IKernelModules modules, DeviceFigures device, Action<string> progress, CancellationToken cancellation)
{
    private readonly Dictionary<string, CountedLaunch> _counted = new(StringComparer.Ordinal);

    /// <summary>Launches that were counted so far.</summary>
    public int Counted => _counted.Count;

    /// <summary>Whether all of an operation's launches were counted before.</summary>
    public bool Knows(PlannedOperation operation, IReadOnlyList<PlannedLaunch> launches) => launches.All(launch => _counted.ContainsKey(Key(operation, launch)));

    /// <summary>Counters of an operation's launches.</summary>
    public CountedLaunch[] Count(PlannedOperation operation, IReadOnlyList<PlannedLaunch> launches) => [.. launches.Select(launch =>
    {
        string key = Key(operation, launch);
        if (!_counted.TryGetValue(key, out CountedLaunch? counted))
        {
            _counted.Add(key, counted = Take(operation, launch));
        }
        return counted;
    })];

    /// <summary>Runs launches, all their blocks.</summary>
    public void Execute(IReadOnlyList<PlannedLaunch> launches)
    {
        foreach (PlannedLaunch launch in launches)
        {
            _ = LaunchSample.Take(launch, [], device, budget: 0);
        }
    }

    /// <summary>Keeps what an operation does in the mean of two states.</summary>
    /// <param name="operation">The operation, its state that of the mean.</param>
    /// <param name="launches">Its launches.</param>
    /// <param name="first">What they do in one state.</param>
    /// <param name="second">What they do in the other.</param>
    /// <param name="share">Share of the second.</param>
    public void Keep(PlannedOperation operation, IReadOnlyList<PlannedLaunch> launches, CountedLaunch[] first, CountedLaunch[] second, double share)
    {
        for (int i = 0; i < launches.Count; i++)
        {
            LaunchSample a = first[i].Sample, b = second[i].Sample;
            LaunchSample mean = a with
            {
                Work = a.Work.Times(1 - share).Plus(b.Work.Times(share)),
                SampledBlocks = a.SampledBlocks + b.SampledBlocks,
                Instructions = a.Instructions + b.Instructions,
            };
            _counted[Key(operation, launches[i])] = new CountedLaunch(launches[i], mean, TimeModel.Predict(mean.Work, device));
        }
    }

    private CountedLaunch Take(PlannedOperation operation, PlannedLaunch launch)
    {
        cancellation.ThrowIfCancellationRequested();
        progress(launch.Name);
        LaunchSample sample = LaunchSample.Take(launch, [.. Views(launch)], device, operation.RunsWhole ? 0 : LaunchSample.UsualBudget);
        return new CountedLaunch(launch, sample, TimeModel.Predict(sample.Work, device));
    }

    private KernelSpec Spec(PlannedLaunch launch) => modules.Get(launch.Name, device.Sm).Spec;

    private IEnumerable<(nint Start, long Elements)> Views(PlannedLaunch launch)
    {
        KernelSpec spec = Spec(launch);
        for (int i = 0; i < spec.Arguments.Count; i++)
        {
            if (spec.Arguments[i].Kind == KernelArgumentKind.View)
            {
                ReadOnlySpan<byte> view = launch.Parameters.Span[spec.Offsets[i]..];
                yield return ((nint)BinaryPrimitives.ReadInt64LittleEndian(view), BinaryPrimitives.ReadInt64LittleEndian(view[sizeof(long)..]));
            }
        }
    }

    /// <summary>Arguments without the addresses of views; whether there is one stays.</summary>
    private string Key(PlannedOperation operation, PlannedLaunch launch)
    {
        KernelSpec spec = Spec(launch);
        byte[] arguments = launch.Parameters.ToArray();
        for (int i = 0; i < spec.Arguments.Count; i++)
        {
            if (spec.Arguments[i].Kind == KernelArgumentKind.View)
            {
                Span<byte> address = arguments.AsSpan(spec.Offsets[i], sizeof(long));
                BinaryPrimitives.WriteInt64LittleEndian(address, BinaryPrimitives.ReadInt64LittleEndian(address) == 0 ? 0 : 1);
            }
        }
        return $"{launch.Name} {launch.Grid} {launch.Block} {launch.DynamicShared} {launch.IsDependentLaunch} {Convert.ToHexString(arguments)} {operation.State}";
    }
}

/// <summary>A launch with what it does and how long that is predicted to take.</summary>
internal sealed record CountedLaunch(PlannedLaunch Launch, LaunchSample Sample, TimePrediction Time);
