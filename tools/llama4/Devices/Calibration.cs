using System.Numerics;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Devices;

/// <summary>
/// Measures what the time model takes as given: read bandwidth by bytes under way, the gap between kernels of a graph, the
/// rate of matrix instructions. Every kernel's result is checked, so that no time counts of work that was not done.
/// </summary>
internal sealed class Calibration : IDisposable
{
    private const int Threads = 256;
    private const int LoadBytes = 16;
    private const int MatrixSums = 4;
    private const int MatrixFlops = 2 * 16 * 8 * 16;
    private const int MatrixCodeBytes = 16 * 16 / 2;
    private const uint Ones = 0x3F803F80;
    private const int Runs = 3;

    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaDeviceInfo _device;
    private readonly CudaKernelArguments _arguments = new();
    private readonly List<CudaModule> _modules = [];
    private readonly bool _isTimed;

    public Calibration(ICudaDriver driver, int ordinal = 0)
    {
        _context = CudaContext.RetainPrimary(driver, ordinal);
        _stream = CudaStream.Create(_context);
        _device = CudaDeviceInfo.Read(driver, ordinal);
        _isTimed = driver is not EmulatedCudaDriver;
    }

    /// <summary>Measures everything; reports each figure as it comes, since a device may hang.</summary>
    /// <param name="progress">Gets each <see cref="ReadRate"/>, <see cref="LaunchGap"/> and <see cref="MatrixRate"/>.</param>
    /// <param name="cancellation">Looked at between the figures.</param>
    /// <exception cref="CudaException">The device failed, or a kernel gave another result than it must.</exception>
    public CalibrationReport Run(Action<object> progress, CancellationToken cancellation)
    {
        IReadOnlyList<T> All<T>(IEnumerable<T> figures)
            where T : class
        {
            List<T> all = [];
            foreach (T figure in figures)
            {
                cancellation.ThrowIfCancellationRequested();
                progress(figure);
                all.Add(figure);
            }
            return all;
        }
        return new CalibrationReport(_device.Name, _device.Target, _isTimed, All(Reads()), All(Launches()), All(Matrices()));
    }

    public void Dispose()
    {
        foreach (CudaModule module in _modules)
        {
            module.Dispose();
        }
        _arguments.Dispose();
        _stream.Dispose();
        _context.Dispose();
    }

    private IEnumerable<ReadRate> Reads()
    {
        const byte Filling = 0x5A;
        // Far beyond the second-level cache, within a share of the memory.
        long bytes = _isTimed ? Math.Min(4L << 30, _device.MemoryBytes / 8) : 1L << 20;
        using CudaMemory data = CudaMemory.Allocate(_context, bytes);
        _stream.Fill(data.Address, Filling, bytes);
        foreach (int perProcessor in _isTimed ? (int[])[1, 2, 4, 8] : [1])
        {
            foreach (int loads in (int[])[1, 4, 8])
            {
                int blocks = _isTimed ? perProcessor * _device.Multiprocessors : 2;
                int stride = blocks * Threads * LoadBytes * loads;
                int steps = (int)(bytes / stride);
                using CudaMemory result = CudaMemory.Allocate(_context, (long)blocks * Threads * sizeof(uint));
                _arguments.Clear();
                View(data).View(result).Value(steps).Value(stride);
                CudaFunction kernel = Kernel($"probe_read{loads}");
                double? seconds = Time(1, () => Launch(kernel, blocks));
                // Words are equal, and each thread's number of them is even.
                Check(kernel, result, new uint[blocks * Threads]);
                yield return new ReadRate(perProcessor, loads, perProcessor * Threads * LoadBytes * loads, (double)steps * stride / seconds / 1e9);
            }
        }
    }

    private IEnumerable<LaunchGap> Launches()
    {
        int count = _isTimed ? 1000 : 10;
        CudaFunction kernel = Kernel("probe_launch");
        foreach (bool dependent in _device.ComputeMajor >= 9 ? (bool[])[false, true] : [false])
        {
            foreach (int blocks in (int[])[1, _device.Multiprocessors, 8 * _device.Multiprocessors])
            {
                using CudaMemory number = CudaMemory.Allocate(_context, sizeof(uint));
                _stream.Fill(number.Address, 0, sizeof(uint));
                _arguments.Clear();
                View(number);
                int graphs = 0;
                double? seconds = Time(count, () => Launch(kernel, blocks, dependent), () => graphs++);
                Check(kernel, number, [(uint)(graphs * count)]);
                yield return new LaunchGap(blocks, dependent, seconds * 1e6);
            }
        }
    }

    private IEnumerable<MatrixRate> Matrices()
    {
        int steps = _isTimed ? 2000 : 3, blocks = _isTimed ? 4 * _device.Multiprocessors : 1;
        foreach (bool decodes in (bool[])[false, true])
        {
            (uint word, uint change) = decodes ? (0x89ABCDEFu, 0x9E3779B9u) : (Ones, 0u);
            using CudaMemory operands = CudaMemory.Allocate(_context, 3 * sizeof(uint));
            using CudaMemory result = CudaMemory.Allocate(_context, (long)blocks * Threads * sizeof(float));
            operands.Write<uint>([Ones, word, change]);
            _arguments.Clear();
            View(operands).View(result).Value(steps);
            CudaFunction kernel = Kernel(decodes ? "probe_mma_int4" : "probe_mma");
            double? seconds = Time(1, () => Launch(kernel, blocks));
            uint expected = BitConverter.SingleToUInt32Bits(MatrixSum(decodes, word, change, steps * MatrixSums));
            Check(kernel, result, [.. Enumerable.Repeat(expected, blocks * Threads)]);
            double instructions = (double)blocks * (Threads / 32) * steps * MatrixSums;
            yield return new MatrixRate(decodes, instructions * MatrixFlops / seconds / 1e12, decodes ? instructions * MatrixCodeBytes / seconds / 1e9 : null);
        }
    }

    /// <summary>
    /// What a thread's results add up to. All lanes have the same word and b is 1, so a row of the product is four times the
    /// row's elements in a lane, and a thread holds two columns of it: eight times its eight elements in all.
    /// </summary>
    private static float MatrixSum(bool decodes, uint word, uint change, int instructions)
    {
        long sum = 0;
        for (int i = 0; i < instructions; i++, word += change)
        {
            uint codes = BitOperations.RotateRight(word, 3);
            for (int element = 0; element < 8; element++)
            {
                sum += decodes ? 24 + ((int)(codes >> (4 * element) << 28) >> 28) : 1;
            }
        }
        return 8 * sum;
    }

    /// <summary>Seconds of a launch among so many in a graph, the best of some runs; null on the emulator, where it runs once.</summary>
    private double? Time(int count, Action launch, Action? ran = null)
    {
        using CudaGraph graph = _stream.Capture(() =>
        {
            for (int i = 0; i < count; i++)
            {
                launch();
            }
        });
        using CudaGraphExec executable = graph.Instantiate();
        executable.Launch(_stream);
        ran?.Invoke();
        _stream.Synchronize();
        if (!_isTimed)
        {
            return null;
        }
        using CudaEvent start = CudaEvent.Create(_context, timing: true), end = CudaEvent.Create(_context, timing: true);
        double best = double.PositiveInfinity;
        for (int run = 0; run < Runs; run++)
        {
            start.Record(_stream);
            executable.Launch(_stream);
            end.Record(_stream);
            ran?.Invoke();
            end.Synchronize();
            best = Math.Min(best, end.MillisecondsSince(start) / 1e3 / count);
        }
        return best;
    }

    private CudaFunction Kernel(string name)
    {
        CudaModule module = CudaModule.Load(_context, PtxKernelModules.All.Get(name, (10 * _device.ComputeMajor) + _device.ComputeMinor).Text);
        _modules.Add(module);
        return module.GetFunction(name);
    }

    private void Launch(CudaFunction kernel, int blocks, bool dependent = false) =>
        kernel.Launch(_stream, new CudaLaunchConfig(new(blocks), new(Threads)) { ProgrammaticSerialization = dependent }, _arguments);

    private Calibration View(CudaMemory memory)
    {
        _arguments.Add(new KernelView(memory.Address, memory.Bytes));
        return this;
    }

    private Calibration Value(int value)
    {
        _arguments.Add(value);
        return this;
    }

    private void Check(CudaFunction kernel, CudaMemory result, uint[] expected)
    {
        uint[] actual = new uint[expected.Length];
        result.Read<uint>(actual);
        int wrong = actual.AsSpan().CommonPrefixLength(expected);
        if (wrong < expected.Length)
        {
            throw new CudaException(CudaResult.Unknown, $"{kernel.Name}: result {wrong} is 0x{actual[wrong]:X8} and must be 0x{expected[wrong]:X8}, so its time would mean nothing; the device check");
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct KernelView(nint Address, long Elements);
}
