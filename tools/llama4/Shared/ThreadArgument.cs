using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Cli.Shared;

/// <summary>What <c>--threads</c> may be.</summary>
internal static class ThreadArgument
{
    /// <summary>The number that is used: the wanted one, but no more than there are processors, since those beyond would only sleep.</summary>
    /// <exception cref="ArgumentException">The number is negative.</exception>
    public static int Check(int wanted, CommandConsole console)
    {
        if (wanted < 0)
        {
            throw new ArgumentException("--threads must be 0 or more.");
        }
        int most = Math.Min(Environment.ProcessorCount, ThreadTeam.MaxThreads);
        if (wanted <= most)
        {
            return wanted;
        }
        console.Error.WriteLine($"llama4: --threads {wanted} is more than the {most} logical processors; {most} are used.");
        return most;
    }
}
