using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Threading;

/// <summary>What a team does with the items of a run, whatever the number of its members and of the machine's processors.</summary>
public sealed unsafe class ThreadTeamTests
{
    private readonly struct Count(int* items) : ITeamJob
    {
        public void Execute(int item, int worker) => Interlocked.Increment(ref items[item]);
    }

    /// <summary>Counts the items on each worker and marks it while it has one.</summary>
    private readonly struct Mark(int* busy, int* done, int* overlaps, int threads) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            if ((uint)worker >= threads || Interlocked.Exchange(ref busy[worker], 1) != 0)
            {
                Interlocked.Increment(ref *overlaps);
            }
            Interlocked.Increment(ref done[worker]);
            Volatile.Write(ref busy[worker], 0);
        }
    }

    private readonly struct Nothing : ITeamJob
    {
        public void Execute(int item, int worker)
        {
        }
    }

    /// <summary>Members by the machine's processors, and all of them awake at once.</summary>
    public static TheoryData<int, int> Sizes()
    {
        var sizes = new TheoryData<int, int>();
        foreach (int threads in (int[])[1, 2, 3, 4, 8, 31, 64, 256])
        {
            sizes.Add(threads, Environment.ProcessorCount);
            sizes.Add(threads, threads);
        }
        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void EveryItemRunsExactlyOnce(int threads, int processors)
    {
        using var team = new ThreadTeam(threads, processors);
        int* items = stackalloc int[257];
        int[] expected = new int[257];
        foreach (int count in (int[])[257, 0, 1, 2, 3, 255, 64, 257, 5])
        {
            for (int round = 0; round < 20; round++)
            {
                team.Run(count, new Count(items));
                for (int i = 0; i < count; i++)
                {
                    expected[i]++;
                }
                Assert.Equal(expected, new Span<int>(items, 257).ToArray());
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void CallersTakeTurnsAndAWorkerHasOneItemAtATime(int threads, int processors)
    {
        const int Callers = 4, Rounds = 50, Items = 40;
        using var team = new ThreadTeam(threads, processors);
        int* busy = stackalloc int[threads], done = stackalloc int[threads];
        int overlaps = 0;
        int* overlap = &overlaps;
        var callers = new Thread[threads == 1 ? 1 : Callers];
        for (int i = 0; i < callers.Length; i++)
        {
            callers[i] = new Thread(() =>
            {
                for (int round = 0; round < Rounds; round++)
                {
                    team.Run(Items, new Mark(busy, done, overlap, threads));
                }
            });
            callers[i].Start();
        }
        Array.ForEach(callers, caller => caller.Join());
        Assert.Equal(0, overlaps);
        Assert.Equal(callers.Length * Rounds * Items, new Span<int>(done, threads).ToArray().Sum());
    }

    /// <summary>Members that the machine has no processors for cost nothing: they are never woken.</summary>
    [Theory]
    [InlineData(64, 1)]
    [InlineData(64, 2)]
    [InlineData(256, 4)]
    public void NoMoreMembersWorkThanThereAreProcessors(int threads, int processors)
    {
        using var team = new ThreadTeam(threads, processors);
        int* busy = stackalloc int[threads], done = stackalloc int[threads];
        int overlaps = 0;
        for (int round = 0; round < 500; round++)
        {
            team.Run(200, new Mark(busy, done, &overlaps, threads));
            if (round % 100 == 0)
            {
                // Long enough for workers to park.
                Thread.Sleep(2);
            }
        }
        Assert.Equal(500 * 200, new Span<int>(done, processors).ToArray().Sum());
    }

    [Fact]
    public void DispatchAllocatesNothing()
    {
        using var team = new ThreadTeam(2);
        int* items = stackalloc int[4];
        team.Run(4, new Count(items));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            team.Run(4, new Count(items));
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void SizesAndCountsAreChecked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ThreadTeam(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ThreadTeam(ThreadTeam.MaxThreads + 1));
        using var team = new ThreadTeam();
        Assert.Equal(ThreadTeam.DefaultThreads, team.Threads);
        Assert.InRange(team.Threads, 1, Environment.ProcessorCount);
        Assert.Throws<ArgumentOutOfRangeException>(() => team.Run(-1, default(Nothing)));
    }
}
