using Llama4Kernels.PtxEmulator.Checking;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>A kernel that is mutated, with launches whose results are known.</summary>
/// <param name="Name">The entry's name.</param>
/// <param name="Text">Its module.</param>
/// <param name="Launches">Launches, cheap ones first.</param>
/// <param name="Lines">Lines of the text that the launches execute.</param>
/// <param name="Divergent">Lines of branches at which lanes go apart.</param>
internal sealed record MutationCase(string Name, string Text, IReadOnlyList<MutationLaunch> Launches, IReadOnlySet<int> Lines, IReadOnlySet<int> Divergent);

/// <summary>What became of a mutant.</summary>
/// <param name="Checker">Which check caught it: a kind of finding, "WrongOutput", "Refused"; null if it survived.</param>
/// <param name="Message">What was seen.</param>
internal sealed record Verdict(string? Checker, string Message);

/// <summary>Runs mutants on every launch of their kernel under several schedules until something shows.</summary>
internal static class MutationRunner
{
    private static readonly LaunchOptions[] s_schedules =
    [
        new() { Seed = 0, AsyncCopies = AsyncArrival.Late },
        new() { Seed = 1, AsyncCopies = AsyncArrival.Early },
        new() { Seed = 2, AsyncCopies = AsyncArrival.Late },
    ];

    public static Verdict Run(MutationCase kernel, string text)
    {
        PtxModule module;
        try
        {
            module = PtxModule.Parse(text);
        }
        catch (PtxSyntaxException exception)
        {
            return new Verdict("Refused", exception.Message);
        }
        if (PtxChecker.Check(module).FirstOrDefault(one => one.Severity == PtxSeverity.Error) is PtxDiagnostic error)
        {
            return new Verdict("Refused", error.ToString());
        }
        foreach (LaunchOptions schedule in s_schedules)
        {
            foreach (MutationLaunch launch in kernel.Launches)
            {
                try
                {
                    launch.Run(module, kernel.Name, schedule with { Workers = 1, InstructionLimit = launch.InstructionLimit }, out byte[][] results);
                    if (launch.Difference(results) is string difference)
                    {
                        return new Verdict("WrongOutput", difference);
                    }
                }
                catch (PtxFindingException exception)
                {
                    return new Verdict(exception.Finding.Kind.ToString(), exception.Message);
                }
                catch (PtxSyntaxException exception)
                {
                    // Some rules of operands are found when instructions are decoded.
                    return new Verdict("Refused", exception.Message);
                }
            }
        }
        return new Verdict(null, "");
    }
}
