using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Prediction;

/// <summary>What one operation of a step launches.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Launches">Its launches in order.</param>
/// <param name="Counted">What they do; empty if they were not to be counted.</param>
internal sealed record RecordedOperation(PlannedOperation Operation, IReadOnlyList<PlannedLaunch> Launches, CountedLaunch[] Counted);

/// <summary>Takes down what a backend launches on a planning driver, operation by operation.</summary>
/// <param name="driver">The driver.</param>
/// <param name="counter">Counts launches; null only takes them down.</param>
internal sealed class StepRecorder(EmulatedCudaDriver driver, LaunchCounter? counter)
{
    private readonly List<RecordedOperation> _operations = [];

    /// <summary>Which operations that look at the cache are counted, by layer.</summary>
    public Predicate<int> CountsCacheOf { get; set; } = static _ => true;

    /// <summary>What a layer's attention reaches in the step: rows of each sequence, how many sequences, and the tokens cached of each that the layer sees.</summary>
    public Func<int, (int Sequences, int Rows, int Cached)> Reach { get; set; } = static _ => default;

    /// <summary>Takes what was recorded since the last time.</summary>
    public IReadOnlyList<RecordedOperation> Take()
    {
        RecordedOperation[] taken = [.. _operations];
        _operations.Clear();
        return taken;
    }

    /// <summary>Runs an operation and records its launches.</summary>
    public void Record(PlannedOperation operation, Action run) => Add(operation, Launches(run));

    /// <summary>Runs an operation that there may be no way for, and records its launches if there is.</summary>
    public bool TryRecord(PlannedOperation operation, Func<bool> run)
    {
        bool isDone = false;
        IReadOnlyList<PlannedLaunch> launches = Launches(() => isDone = run());
        if (isDone)
        {
            Add(operation, launches);
        }
        return isDone;
    }

    /// <summary>Runs an operation whose work is a mean of two states, and records its launches once.</summary>
    /// <param name="operation">The operation, its state that of the mean.</param>
    /// <param name="run">Runs it.</param>
    /// <param name="states">The two states, the second's share, and how to bring the second about.</param>
    public void RecordMean(PlannedOperation operation, Action run, (string First, string Second, double Share, Action Change) states)
    {
        IReadOnlyList<PlannedLaunch> launches = Launches(run);
        if (counter is not null && !counter.Knows(operation, launches))
        {
            CountedLaunch[] first = counter.Count(operation with { State = states.First }, launches);
            states.Change();
            CountedLaunch[] second = counter.Count(operation with { State = states.Second }, Launches(run));
            counter.Keep(operation, launches, first, second, states.Share);
        }
        _operations.Add(new RecordedOperation(operation, launches, counter?.Count(operation, launches) ?? []));
    }

    /// <summary>Runs an operation, and all its blocks, for what it leaves behind; it is not recorded.</summary>
    public void Execute(Action run)
    {
        IReadOnlyList<PlannedLaunch> launches = Launches(run);
        counter?.Execute(launches);
    }

    private void Add(PlannedOperation operation, IReadOnlyList<PlannedLaunch> launches) =>
        _operations.Add(new RecordedOperation(operation, launches, counter is not null && (operation.CacheLayer < 0 || CountsCacheOf(operation.CacheLayer)) ? counter.Count(operation, launches) : []));

    private IReadOnlyList<PlannedLaunch> Launches(Action run)
    {
        _ = driver.TakePlanned();
        run();
        return driver.TakePlanned();
    }
}
