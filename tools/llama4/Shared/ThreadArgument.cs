using System.CommandLine;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Cli.Shared;

/// <summary>What <c>--threads</c> may be.</summary>
internal static class ThreadArgument
{
    /// <summary>A new option. A negative number is refused before anything runs.</summary>
    /// <param name="what">What the threads do.</param>
    /// <param name="usual">What it is where nobody says; 0 is one for each core that the process may use.</param>
    /// <param name="aliases">Other names.</param>
    public static Option<int> New(string what, int usual, params string[] aliases) => new("--threads", aliases)
    {
        Description = $"{what}, at most one per logical processor; 0 takes one per core that the process may use.",
        DefaultValueFactory = _ => usual,
        CustomParser = result =>
        {
            int threads = Numbers.Read<int>(result);
            if (threads < 0)
            {
                result.AddError("--threads must be 0 or more.");
            }
            return threads;
        },
    };

    /// <summary>The number that is used: the wanted one, but no more than there are processors, since those beyond would only sleep.</summary>
    public static int Check(int wanted, CommandConsole console)
    {
        int most = Math.Min(Environment.ProcessorCount, ThreadTeam.MaxThreads);
        if (wanted <= most)
        {
            return wanted;
        }
        console.Error.WriteLine($"llama4: --threads {wanted} is more than the {most} logical processors; {most} are used.");
        return most;
    }
}
