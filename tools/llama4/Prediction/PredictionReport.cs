using Llama4Kernels.PtxEmulator.Counting;

namespace Llama4Kernels.Cli.Prediction;

/// <summary>A launch of an operation: what it does, counted and scaled to the whole grid, and what that is predicted to take.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Grid">Blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="SampledBlocks">Blocks that were run to count.</param>
/// <param name="Registers">Registers of a thread that were assumed.</param>
/// <param name="ResidentBlocks">Blocks that a multiprocessor holds.</param>
/// <param name="BytesInFlight">Bytes under way to a multiprocessor.</param>
/// <param name="Instructions">Warp instructions.</param>
/// <param name="ReadBytes">Bytes read from memory.</param>
/// <param name="WrittenBytes">Bytes written to memory.</param>
/// <param name="L2Bytes">Bytes between L2 and the multiprocessors.</param>
/// <param name="Wavefronts">Passes through shared memory.</param>
/// <param name="TensorOperations">Operations of matrix instructions.</param>
/// <param name="Bound">The term that decides.</param>
/// <param name="Terms">The time model's terms in microseconds, of one launch.</param>
/// <param name="Microseconds">One launch.</param>
internal sealed record PredictedLaunch(
    string Kernel, string Grid, string Block, long SampledBlocks, int Registers, int ResidentBlocks, double BytesInFlight, double Instructions, double ReadBytes, double WrittenBytes,
    double L2Bytes, double Wavefronts, double TensorOperations, string Bound, IReadOnlyDictionary<string, double> Terms, double Microseconds)
{
    public static PredictedLaunch Of(CountedLaunch counted)
    {
        KernelWork work = counted.Sample.Work;
        return new PredictedLaunch(
            counted.Launch.Name, counted.Launch.Grid.ToString(), counted.Launch.Block.ToString(), counted.Sample.SampledBlocks, counted.Sample.Registers, work.ResidentBlocks, work.BytesInFlight,
            work.Instructions, work.HbmReadBytes, work.HbmWriteBytes, work.L2Bytes, work.Wavefronts, work.Tensor.Sum(part => part.Operations), counted.Time.Bound,
            counted.Time.Terms.ToDictionary(term => term.Name, term => term.Seconds * 1e6), counted.Time.Total * 1e6);
    }
}

/// <summary>An operation of a step, as often as it comes with the same launches.</summary>
/// <param name="Name">The operation.</param>
/// <param name="Count">Times that the step has it.</param>
/// <param name="Microseconds">All of them together.</param>
/// <param name="FloorMicroseconds">The least that reading their weights and cache, or their products, take at the device's published figures.</param>
/// <param name="Launches">Its launches, of one time.</param>
internal sealed record PredictedOperation(string Name, int Count, double Microseconds, double FloorMicroseconds, IReadOnlyList<PredictedLaunch> Launches)
{
    /// <summary>The operations of one or several steps, equal ones together, in the order in which they first come.</summary>
    public static IReadOnlyList<PredictedOperation> Of(IEnumerable<RecordedOperation> recorded, DeviceFigures device) =>
    [
        .. recorded.Where(one => one.Launches.Count > 0)
            .GroupBy(one => (one.Operation.Name, string.Join('|', one.Counted.Select(counted => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(counted)))))
            .Select(same => new PredictedOperation(
                same.Key.Name, same.Count(), same.Sum(one => one.Counted.Sum(counted => counted.Time.Total)) * 1e6, same.Sum(one => Floor(one.Operation, device)) * 1e6,
                [.. same.First().Counted.Select(PredictedLaunch.Of)])),
    ];

    private static double Floor(PlannedOperation operation, DeviceFigures device) =>
        Math.Max(TimeModel.HbmFloor(operation.FloorBytes, device), operation.FloorOperations / device.TensorPeak);
}

/// <summary>Decoding a token of each of some sequences.</summary>
/// <param name="Rows">Sequences.</param>
/// <param name="TokensPerSecond">Tokens of all of them.</param>
/// <param name="FloorTokensPerSecond">Tokens of all of them if each operation took its floor.</param>
/// <param name="Milliseconds">The step.</param>
/// <param name="Launches">Its launches.</param>
/// <param name="MemoryBytes">Device memory that the model, its activations and the sequences' caches take.</param>
/// <param name="Operations">Its operations.</param>
internal sealed record PredictedDecode(int Rows, double TokensPerSecond, double FloorTokensPerSecond, double Milliseconds, int Launches, long MemoryBytes, IReadOnlyList<PredictedOperation> Operations);

/// <summary>Bringing a prompt into an empty context.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="TokensPerSecond">Tokens a second.</param>
/// <param name="FloorTokensPerSecond">The same if each operation took its floor.</param>
/// <param name="Milliseconds">All its steps.</param>
/// <param name="Launches">Their launches.</param>
/// <param name="Operations">Their operations.</param>
internal sealed record PredictedPrefill(int Tokens, double TokensPerSecond, double FloorTokensPerSecond, double Milliseconds, int Launches, IReadOnlyList<PredictedOperation> Operations);

/// <summary>What a model is predicted to do on a device.</summary>
/// <param name="Shape">The model.</param>
/// <param name="Device">The device.</param>
/// <param name="Weights">Format of the weights that are quantised.</param>
/// <param name="Include">Which these are.</param>
/// <param name="Activations">Precision of activations.</param>
/// <param name="Context">Keys that layers with full attention hold in decoding.</param>
/// <param name="LaunchesPerToken">Launches of a step that decodes one sequence.</param>
/// <param name="MemoryBytes">Device memory that the model and its largest step take.</param>
/// <param name="DeviceMemoryBytes">What the device has.</param>
/// <param name="Fits">Whether that is enough.</param>
/// <param name="Decode">Decoding.</param>
/// <param name="Prefill">Prompts.</param>
internal sealed record PredictionReport(
    string Shape, string Device, string Weights, IReadOnlyList<string> Include, string Activations, int Context, int LaunchesPerToken, long MemoryBytes, long DeviceMemoryBytes, bool Fits,
    IReadOnlyList<PredictedDecode> Decode, IReadOnlyList<PredictedPrefill> Prefill);
