using System.Globalization;

namespace Llama4Kernels.Interop.Memory;

/// <summary>How much memory this process may use.</summary>
public static class ProcessMemory
{
    /// <summary>
    /// Bytes of memory that this process may use, those that it uses already included: the machine's, or the lowest limit of
    /// its control group and of the groups around that, whichever is less. A group of version 2 is held below
    /// <c>memory.high</c> too, because beyond it every allocation is slowed down; swap does not count. Where the system has no
    /// such files (all but Linux), what the runtime counts.
    /// </summary>
    public static long Usable() => Usable("/", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>The same from the files below a folder.</summary>
    /// <param name="root">The folder with <c>proc</c> and what is mounted.</param>
    /// <param name="otherwise">Bytes where it does not say how much memory the machine has.</param>
    internal static long Usable(string root, long otherwise)
    {
        long usable = MachineBytes(root) ?? otherwise;
        foreach (string file in LimitFiles(root))
        {
            // "max", in version 2, is no limit; so is a number beyond what the machine has, in version 1.
            if (ReadLines(file).FirstOrDefault() is string text && long.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long limit))
            {
                usable = Math.Min(usable, limit);
            }
        }
        return usable;
    }

    private static long? MachineBytes(string root)
    {
        const string Total = "MemTotal:", Unit = "kB";
        string? line = ReadLines(Path.Combine(root, "proc/meminfo")).FirstOrDefault(line => line.StartsWith(Total, StringComparison.Ordinal) && line.EndsWith(Unit, StringComparison.Ordinal));
        return line is not null && long.TryParse(line.AsSpan(Total.Length, line.Length - Total.Length - Unit.Length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long kib) ? kib * 1024 : null;
    }

    /// <summary>The files with limits of the process's groups, from the innermost outwards, in each hierarchy that may have some.</summary>
    private static IEnumerable<string> LimitFiles(string root)
    {
        (bool IsUnified, string Path)[] groups = [.. ReadLines(Path.Combine(root, "proc/self/cgroup")).Select(Group).OfType<(bool, string)>()];
        foreach (string line in ReadLines(Path.Combine(root, "proc/self/mountinfo")))
        {
            if (Mount(line) is not (bool isUnified, string mountedGroup, string place))
            {
                continue;
            }
            string[] names = isUnified ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"];
            foreach ((_, string path) in groups.Where(group => group.IsUnified == isUnified))
            {
                string mount = Path.Combine(root, place.TrimStart('/'));
                for (string? inside = Inside(path, mountedGroup); inside is not null; inside = Path.GetDirectoryName(inside))
                {
                    foreach (string name in names)
                    {
                        yield return Path.Combine(mount, inside, name);
                    }
                }
            }
        }
    }

    /// <summary>A line of <c>/proc/self/cgroup</c>, hierarchy:controllers:path, if memory may be limited there.</summary>
    private static (bool IsUnified, string Path)? Group(string line)
    {
        string[] fields = line.Split(':', 3);
        return fields.Length < 3 ? null
            : fields[0] == "0" && fields[1].Length == 0 ? (true, fields[2])
            : fields[1].Split(',').Contains("memory") ? (false, fields[2])
            : null;
    }

    /// <summary>
    /// A line of <c>/proc/self/mountinfo</c>, id parent device root place options … - type source options, if it mounts such
    /// a hierarchy: which group of it, and where.
    /// </summary>
    private static (bool IsUnified, string Group, string Place)? Mount(string line)
    {
        string[] fields = line.Split(' ');
        int dash = Array.IndexOf(fields, "-");
        if (dash < 6 || dash + 3 >= fields.Length)
        {
            return null;
        }
        bool isUnified = fields[dash + 1] == "cgroup2";
        return isUnified || fields[dash + 1] == "cgroup" && fields[dash + 3].Split(',').Contains("memory")
            ? (isUnified, Unescaped(fields[3]), Unescaped(fields[4]))
            : null;
    }

    /// <summary>
    /// The path of a group below the group that is mounted; that itself where the process's lies elsewhere, as a container sees
    /// it that has the host's names without the host's mounts, or one that was moved out of its name space.
    /// </summary>
    private static string Inside(string path, string mounted)
    {
        string[] steps = path.Split('/', StringSplitOptions.RemoveEmptyEntries), above = mounted.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return steps.Contains("..") || !steps.AsSpan().StartsWith(above) ? "" : Path.Combine(["", .. steps.AsSpan(above.Length)]);
    }

    /// <summary>Spaces and the like are octal in that file.</summary>
    private static string Unescaped(string field) => field.Replace(@"\040", " ", StringComparison.Ordinal).Replace(@"\011", "\t", StringComparison.Ordinal).Replace(@"\134", @"\", StringComparison.Ordinal);

    /// <summary>The lines of a file; none if it cannot be read, as in another system or a container that hides it.</summary>
    private static string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
