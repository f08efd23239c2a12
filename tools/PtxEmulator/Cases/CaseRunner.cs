using System.Buffers.Binary;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>Runs cases on the emulator.</summary>
public static class CaseRunner
{
    /// <summary>Runs a case under one or more schedules, each with a fresh module and fresh buffers, and compares its outputs.</summary>
    /// <param name="subject">The case.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Looked at before each run.</param>
    public static CaseResult Run(PtxCase subject, CaseOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Seeds);
        IReadOnlyList<CaseTensor> outputs = [];
        for (int seed = 0; seed < options.Seeds; seed++)
        {
            cancellation.ThrowIfCancellationRequested();
            string under = options.Seeds > 1 ? $"seed {seed}: " : "";
            try
            {
                using var run = new CaseRun(subject);
                run.Launch(new LaunchOptions { Seed = seed, Workers = options.Workers, AsyncCopies = options.Early ? AsyncArrival.Early : AsyncArrival.Late });
                outputs = run.Outputs();
            }
            catch (PtxFindingException e)
            {
                return new CaseResult(subject.Name, CaseOutcome.Finding, under + e.Message, []);
            }
            catch (PtxNotImplementedException e)
            {
                return new CaseResult(subject.Name, CaseOutcome.NotImplemented, e.Message, []);
            }
            string[] differences = [.. subject.Rules
                .Select(rule => CaseComparison.Compare(rule, subject.Tensor(rule.Tensor), outputs.Single(output => output.Name == rule.Tensor).Data.Span))
                .OfType<CaseDifference>().Select(difference => difference.ToString())];
            if (differences.Length > 0)
            {
                return new CaseResult(subject.Name, CaseOutcome.Failed, under + string.Join(" | ", differences), outputs);
            }
        }
        return new CaseResult(subject.Name, CaseOutcome.Passed, "", outputs);
    }
}

/// <summary>A loaded module and the buffers of one run.</summary>
internal sealed unsafe class CaseRun : IDisposable
{
    private readonly PtxCase _case;
    private readonly GlobalMemory _memory = new();
    private readonly PtxProgram _program;
    private readonly Dictionary<string, nint> _buffers = new(StringComparer.Ordinal);

    public CaseRun(PtxCase subject)
    {
        _case = subject;
        try
        {
            _program = PtxProgram.Load(subject.Module, _memory);
        }
        catch
        {
            _memory.Dispose();
            throw;
        }
        Kernel = _program.Kernel(subject.Kernel)!;
        foreach (CaseTensor tensor in subject.Arguments.Where(argument => argument.Tensor is not null).Select(argument => subject.Tensor(argument.Tensor!)).Distinct())
        {
            nint address = _memory.Allocate(tensor.Data.Length);
            Span<byte> bytes = Bytes(address, tensor);
            if (subject.Initial(tensor) is CaseTensor initial)
            {
                initial.Data.Span.CopyTo(bytes);
            }
            else
            {
                bytes.Clear();
            }
            _memory.MarkDefined(address, tensor.Data.Length);
            _buffers.Add(tensor.Name, address);
        }
    }

    public PtxKernel Kernel { get; }

    /// <summary>Bytes of all buffers.</summary>
    public long BufferBytes => _buffers.Keys.Sum(name => (long)_case.Tensor(name).Data.Length);

    public LaunchCounters Launch(LaunchOptions options)
    {
        byte[] parameters = new byte[Kernel.ParameterBytes];
        for (int i = 0; i < _case.Arguments.Count; i++)
        {
            CaseArgument argument = _case.Arguments[i];
            Span<byte> target = parameters.AsSpan((int)_case.Entry.Parameters[i].Offset, argument.Size);
            if (argument.Tensor is null)
            {
                argument.Bytes.Span.CopyTo(target);
            }
            else
            {
                BinaryPrimitives.WriteUInt64LittleEndian(target, (ulong)_buffers[argument.Tensor]);
            }
        }
        return KernelLaunch.Run(Kernel, _case.Grid, _case.Block, _case.DynamicShared, parameters, options);
    }

    public IReadOnlyList<CaseTensor> Outputs() =>
        [.. _case.Tensors.Where(PtxCase.IsOutput).Select(tensor => tensor with { Data = Bytes(_buffers[tensor.Name], tensor).ToArray() })];

    public void Dispose()
    {
        _program.Dispose();
        _memory.Dispose();
    }

    private static Span<byte> Bytes(nint address, CaseTensor tensor) => new((void*)address, tensor.Data.Length);
}
