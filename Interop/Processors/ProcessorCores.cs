using System.Globalization;

namespace Llama4Kernels.Interop.Processors;

/// <summary>The physical cores that this process may use.</summary>
public static class ProcessorCores
{
    /// <summary>
    /// Cores of which the affinity mask of the process has a processor, but no more than the processors that the runtime counts,
    /// which heeds control group quotas too (rounded up); at least 1. Where the system does not tell which processors share a
    /// core (all but Linux), processors count as cores.
    /// </summary>
    public static int Usable() => Usable("/proc/self/status", "/sys/devices/system/cpu", Environment.ProcessorCount);

    /// <summary>The same from the given files.</summary>
    /// <param name="status">The process's status, with a line <c>Cpus_allowed_list</c>.</param>
    /// <param name="processors">The folder with a <c>cpuN/topology/thread_siblings_list</c> for each processor.</param>
    /// <param name="most">Processors that the runtime counts.</param>
    internal static int Usable(string status, string processors, int most)
    {
        const string Mask = "Cpus_allowed_list:";
        try
        {
            string? line = File.ReadLines(status).FirstOrDefault(line => line.StartsWith(Mask, StringComparison.Ordinal));
            // Processors of a core have the same siblings. Masks name processors that the machine does not have.
            int cores = Ranges(line?[Mask.Length..] ?? "")
                .Select(number => Path.Combine(processors, string.Create(CultureInfo.InvariantCulture, $"cpu{number}"), "topology", "thread_siblings_list"))
                .Where(File.Exists)
                .Select(File.ReadAllText)
                .Distinct(StringComparer.Ordinal)
                .Count();
            return cores == 0 ? most : Math.Min(cores, most);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            // Another system, or a container that hides these files.
            return most;
        }
    }

    /// <summary>The numbers of a list such as <c>0-3,8,10-11</c>.</summary>
    private static IEnumerable<int> Ranges(string list)
    {
        foreach (string range in list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            int dash = range.IndexOf('-');
            int first = int.Parse(dash < 0 ? range : range[..dash], NumberStyles.None, CultureInfo.InvariantCulture);
            int last = dash < 0 ? first : int.Parse(range[(dash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture);
            for (int number = first; number <= last; number++)
            {
                yield return number;
            }
        }
    }
}
