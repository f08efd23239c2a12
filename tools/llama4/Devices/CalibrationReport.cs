namespace Llama4Kernels.Cli.Devices;

/// <summary>How fast memory is read with so much under way.</summary>
/// <param name="BlocksPerMultiprocessor">Blocks of 256 threads that the grid has for each multiprocessor.</param>
/// <param name="Loads">16-byte loads of a thread under way together.</param>
/// <param name="BytesInFlight">Bytes under way on a multiprocessor, if it holds all those blocks.</param>
/// <param name="GBs">10⁹ bytes a second; null where nothing was timed.</param>
internal sealed record ReadRate(int BlocksPerMultiprocessor, int Loads, int BytesInFlight, double? GBs);

/// <summary>Time of a kernel that does nothing in a graph of such kernels, each of which depends on the one before.</summary>
/// <param name="Blocks">Its blocks.</param>
/// <param name="IsDependentLaunch">Whether it begins before the one before has ended (programmatic dependent launch).</param>
/// <param name="Microseconds">Microseconds each; null where nothing was timed.</param>
internal sealed record LaunchGap(int Blocks, bool IsDependentLaunch, double? Microseconds);

/// <summary>Rate of <c>mma.sync</c> m16n8k16 in bf16.</summary>
/// <param name="DecodesInt4">Whether each instruction's weights are decoded from int4 codes first.</param>
/// <param name="Tflops">10¹² operations a second; null where nothing was timed.</param>
/// <param name="CodeGBs">10⁹ bytes of codes a second that are decoded at that rate; null where none are or nothing was timed.</param>
internal sealed record MatrixRate(bool DecodesInt4, double? Tflops, double? CodeGBs);

/// <summary>The constants of the time model, measured on a device. On the emulator the same work is done and checked but not timed.</summary>
internal sealed record CalibrationReport(string Device, string Target, bool IsTimed, IReadOnlyList<ReadRate> Reads, IReadOnlyList<LaunchGap> Launches, IReadOnlyList<MatrixRate> Matrices);
