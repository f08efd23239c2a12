using Llama4Kernels.PtxEmulator.Cases;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>What a case's launch did and is predicted to take.</summary>
/// <param name="Profile">Its counters.</param>
/// <param name="DeclaredRegisters">32-bit registers that the text declares and uses: an upper bound of what an assembler takes.</param>
/// <param name="StaticShared">Bytes of static shared memory of a block.</param>
/// <param name="LocalBytes">Bytes of a thread's local frame.</param>
/// <param name="BufferBytes">Bytes of all buffers.</param>
/// <param name="Work">The time model's input.</param>
/// <param name="Prediction">The time model's output.</param>
public sealed record CaseCounts(
    LaunchProfile Profile, int DeclaredRegisters, int StaticShared, int LocalBytes, long BufferBytes, KernelWork Work, TimePrediction Prediction);

/// <summary>Facts about a kernel that its text does not tell.</summary>
public sealed record CountOptions
{
    /// <summary>Registers of a thread as an assembler reports them; 0 takes the declared ones, or as many as let a block fit.</summary>
    public int Registers { get; init; }

    /// <summary>Bytes in flight per multiprocessor; 0 guesses them from the text.</summary>
    public double BytesInFlight { get; init; }

    /// <summary>With programmatic dependent launch.</summary>
    public bool EarlyLaunch { get; init; }
}

/// <summary>Counts what the launch of a case does.</summary>
public static class CaseCounter
{
    /// <summary>Runs a case once and counts; its outputs are not looked at.</summary>
    /// <param name="subject">The case.</param>
    /// <param name="options">How.</param>
    /// <exception cref="PtxFindingException">Something is wrong with the kernel.</exception>
    /// <exception cref="PtxNotImplementedException">The kernel has an instruction that is not executed.</exception>
    /// <exception cref="ArgumentException">A block does not fit a multiprocessor.</exception>
    public static CaseCounts Count(PtxCase subject, CountOptions options)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(options);
        using var run = new CaseRun(subject);
        var profile = new LaunchProfile(run.Launch(new LaunchOptions { CountMemory = true }));
        int threads = (int)subject.Block.Count;
        int declared = run.Kernel.Registers;
        int registers = options.Registers > 0 ? options.Registers : Math.Min(declared, Hopper.MostRegisters(threads));
        int resident = Hopper.ResidentBlocks(threads, registers, run.Kernel.SharedBytes + subject.DynamicShared);
        if (resident == 0)
        {
            throw new ArgumentException(
                $"{subject.Name}: a block of {threads} threads with {registers} registers and {run.Kernel.SharedBytes + subject.DynamicShared} bytes of shared memory does not fit a multiprocessor.");
        }
        FunctionSymbol function = subject.Module.Functions.Single(function => function.IsEntry && function.Name == subject.Kernel);
        long residentThreads = Math.Min(resident, (subject.Grid.Count + Hopper.Processors - 1) / Hopper.Processors) * threads;
        KernelWork work = profile.Work(
            new KernelWork
            {
                Blocks = subject.Grid.Count,
                ResidentBlocks = resident,
                BytesInFlight = options.BytesInFlight > 0 ? options.BytesInFlight : LoadsInFlight.BytesPerThread(function) * residentThreads,
                EarlyLaunch = options.EarlyLaunch,
            },
            run.BufferBytes);
        return new CaseCounts(profile, declared, run.Kernel.SharedBytes, run.Kernel.LocalBytes, run.BufferBytes, work, TimeModel.Predict(work));
    }
}
