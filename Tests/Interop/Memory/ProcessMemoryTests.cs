using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Interop.Memory;

/// <summary>Limits of containers that this process does not run in: the files are those that such a system shows.</summary>
public sealed class ProcessMemoryTests : IDisposable
{
    private const long GiB = 1L << 30, Machine = 64 * GiB;
    private const string Unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    private const string Version1 = "32 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("llama4-groups-");

    public ProcessMemoryTests() => Write("proc/meminfo", $"MemTotal:       {Machine / 1024} kB\nMemFree:        1 kB\n");

    public void Dispose() => _root.Delete(recursive: true);

    private long Usable => ProcessMemory.Usable(_root.FullName, 5);

    private void Write(string file, string text)
    {
        string path = Path.Combine(_root.FullName, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private void Process(string groups, params string[] mounts)
    {
        Write("proc/self/cgroup", groups + "\n");
        Write("proc/self/mountinfo", string.Join('\n', ["23 1 8:1 / / rw - ext4 /dev/sda1 rw", "24 23 0:5 / /proc rw", .. mounts]) + "\n");
    }

    [Theory]
    [InlineData("max", "max", "max", 64)]
    [InlineData("8", "max", "max", 8)]
    [InlineData("8", "4", "max", 4)] // the group around has less
    [InlineData("8", "max", "2", 2)]
    [InlineData("4", "8", "16", 4)] // the group around has more
    [InlineData("128", "max", "max", 64)] // more than the machine has
    [InlineData("0", "max", "max", 0)]
    public void TheLowestLimitOfNestedGroupsHolds(string own, string parent, string outermost, long gib)
    {
        Process("0::/kube.slice/pod 1/box", Unified);
        Write("sys/fs/cgroup/kube.slice/pod 1/box/memory.max", Limit(own));
        Write("sys/fs/cgroup/kube.slice/pod 1/memory.max", Limit(parent));
        Write("sys/fs/cgroup/kube.slice/memory.max", Limit(outermost));
        Write("sys/fs/cgroup/kube.slice/pod 1/other/memory.max", Limit("1"));
        Assert.Equal(gib * GiB, Usable);
    }

    [Theory]
    [InlineData("max", 6)]
    [InlineData("3", 3)]
    public void MemoryBeyondWhichAGroupIsSlowedDownIsNotUsed(string most, long gib)
    {
        Process("0::/box", Unified);
        Write("sys/fs/cgroup/box/memory.max", Limit(most));
        Write("sys/fs/cgroup/box/memory.high", Limit("6"));
        Write("sys/fs/cgroup/box/memory.swap.max", Limit("1"));
        Assert.Equal(gib * GiB, Usable);
    }

    /// <summary>A container of the first version that sees its own part of the hierarchy, by the host's names.</summary>
    [Theory]
    [InlineData("/docker/b0", "/docker/b0", "")]
    [InlineData("/docker/b0/worker", "/docker/b0", "worker/")]
    [InlineData("/docker/b0", "/", "docker/b0/")]
    [InlineData("/elsewhere", "/docker/b0", "")] // names that the mounts do not know
    [InlineData("/docker/b01", "/docker/b0", "")] // alike is not inside
    [InlineData("/../outside", "/", "")] // moved out of its name space
    [InlineData("/", "/", "")]
    public void GroupsAreFoundBelowWhatIsMounted(string group, string mounted, string folder)
    {
        Process($"9:name=systemd:/other\n4:cpu,memory:{group}\n1:cpu:/docker/x", Version1.Replace(" / ", $" {mounted} ", StringComparison.Ordinal));
        Write($"sys/fs/cgroup/memory/{folder}memory.limit_in_bytes", Limit("7"));
        Assert.Equal(7 * GiB, Usable);
    }

    [Fact]
    public void TheFirstVersionsGroupsNestToo()
    {
        Process("4:memory:/a/b", Version1);
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", Limit("3"));
        Write("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.Equal(3 * GiB, Usable);
    }

    /// <summary>Memory is limited in the first version's hierarchy, and the second is mounted beside it.</summary>
    [Fact]
    public void BothVersionsMayBeThere()
    {
        Process("4:memory:/a\n0::/u", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw", Version1, "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw");
        Write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", Limit("9"));
        Write("sys/fs/cgroup/memory/u/memory.limit_in_bytes", Limit("1"));
        Assert.Equal(9 * GiB, Usable);
        Write("sys/fs/cgroup/unified/u/memory.max", Limit("8"));
        Assert.Equal(8 * GiB, Usable);
    }

    [Fact]
    public void MountsLieAnywhere()
    {
        Process("0::/box", Unified.Replace("/sys/fs/cgroup", @"/my\040groups", StringComparison.Ordinal));
        Write("my groups/box/memory.max", Limit("2"));
        Assert.Equal(2 * GiB, Usable);
    }

    [Theory]
    [InlineData("")]
    [InlineData("much\n")]
    [InlineData("-1\n")]
    [InlineData("0x10\n")]
    [InlineData("99999999999999999999999\n")]
    public void WhatIsNoNumberIsNoLimit(string text)
    {
        Process("0::/a/b", Unified);
        Write("sys/fs/cgroup/a/b/memory.max", text);
        Assert.Equal(Machine, Usable);
        Write("sys/fs/cgroup/a/memory.max", Limit("3"));
        Assert.Equal(3 * GiB, Usable);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("0", Unified)]
    [InlineData("0::", "x y z")]
    [InlineData("::\n:memory:", "1 2 3 4 5 6 -")]
    [InlineData("0::/box", "29 23 0:26 / /nowhere rw - cgroup2 cgroup2 rw")]
    public void FilesThatSayNothingLimitNothing(string groups, string mounts)
    {
        Process(groups, mounts);
        Assert.Equal(Machine, Usable);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("MemTotal: many kB\n")]
    [InlineData("MemTotal:kB\n")]
    public void AMachineThatDoesNotSayHasWhatTheRuntimeCounts(string? text)
    {
        string file = Path.Combine(_root.FullName, "proc/meminfo");
        File.Delete(file);
        if (text is not null)
        {
            File.WriteAllText(file, text);
        }
        Assert.Equal(5, Usable);
    }

    /// <summary>The runtime heeds limits of containers too, by rules of its own: it never counts more than there is.</summary>
    [Fact]
    public void ThisProcessMayUseSomeMemory() => Assert.InRange(ProcessMemory.Usable(), Environment.WorkingSet / 2, long.MaxValue);

    private static string Limit(string gib) => long.TryParse(gib, out long number) ? $"{number * GiB}\n" : gib + "\n";
}
