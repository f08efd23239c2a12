using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Threading;

public sealed unsafe class ThreadTeamTests
{
    private readonly struct Count(int* items) : ITeamJob
    {
        public void Execute(int item, int worker) => Interlocked.Increment(ref items[item]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_item_runs_exactly_once(int threads)
    {
        using var team = new ThreadTeam(threads);
        int* items = stackalloc int[257];
        for (int round = 1; round <= 300; round++)
        {
            team.Run(257, new Count(items));
            for (int i = 0; i < 257; i++)
            {
                Assert.Equal(round, items[i]);
            }
        }
    }

    [Fact]
    public void Wakes_parked_workers()
    {
        using var team = new ThreadTeam(3);
        int* items = stackalloc int[8];
        for (int round = 1; round <= 20; round++)
        {
            Thread.Sleep(5);
            team.Run(8, new Count(items));
            Assert.Equal(round, items[7]);
        }
    }

    [Fact]
    public void Dispatch_allocates_nothing()
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
}
