using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.MatMul;

public sealed unsafe class ProductTeamTests
{
    /// <summary>Three products of two jobs each: every item once, and no second job before all first ones are done.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void CollectedJobsRunBesideEachOtherAndInTheOrderOfTheirProducts(int threads)
    {
        using var members = new ThreadTeam(threads);
        var team = new ProductTeam(members);
        int[] counts = [5, 1, 17];
        int[] firsts = GC.AllocateArray<int>(32, pinned: true), seconds = GC.AllocateArray<int>(32, pinned: true), done = GC.AllocateArray<int>(2, pinned: true);
        for (int round = 0; round < 3; round++)
        {
            for (int product = 0, at = 0; product < counts.Length; at += counts[product++])
            {
                team.Collect();
                Assert.False(team.HasCollected);
                team.Run(counts[product], new Job(Pointer(firsts) + at, Pointer(done), 0));
                team.Run(counts[product], new Job(Pointer(seconds) + at, Pointer(done), counts.Sum() * (round + 1)));
                Assert.True(team.HasCollected);
            }
            Assert.Equal(counts.Sum() * round, done[0]);
            team.RunCollected();
            Assert.All(firsts[..counts.Sum()], times => Assert.Equal(round + 1, times));
            Assert.All(seconds[..counts.Sum()], times => Assert.Equal(round + 1, times));
            Assert.All(seconds[counts.Sum()..], times => Assert.Equal(0, times));
            Assert.Equal(0, done[1]);
        }
    }

    /// <summary>More jobs than there was room for at first.</summary>
    [Fact]
    public void ManyJobsAreCollected()
    {
        using var members = new ThreadTeam(2);
        var team = new ProductTeam(members);
        int[] ran = GC.AllocateArray<int>(300, pinned: true), done = GC.AllocateArray<int>(2, pinned: true);
        for (int i = 0; i < 300; i++)
        {
            team.Collect();
            team.Run(i % 3 == 0 ? 0 : 1, new Job(Pointer(ran) + i, Pointer(done), 0));
        }
        team.RunCollected();
        for (int i = 0; i < 300; i++)
        {
            Assert.Equal(i % 3 == 0 ? 0 : 1, ran[i]);
        }
    }

    [Fact]
    public void WhatInterruptsRunsAtOnce()
    {
        using var members = new ThreadTeam(2);
        var team = new ProductTeam(members);
        int[] ran = GC.AllocateArray<int>(8, pinned: true), done = GC.AllocateArray<int>(2, pinned: true);
        team.Collect();
        team.Run(2, new Job(Pointer(ran), Pointer(done), 0));
        Assert.True(team.Interrupt());
        Assert.False(team.Interrupt());
        team.Run(2, new Job(Pointer(ran) + 2, Pointer(done), 0));
        Assert.Equal([0, 0, 1, 1], ran[..4]);
        team.RunCollected();
        Assert.Equal([1, 1, 1, 1], ran[..4]);
    }

    [Fact]
    public void AfterAFailureNothingIsLeft()
    {
        using var members = new ThreadTeam(2);
        var team = new ProductTeam(members);
        int[] ran = GC.AllocateArray<int>(8, pinned: true), done = GC.AllocateArray<int>(2, pinned: true);
        team.Collect();
        team.Run(3, default(Failing));
        team.Run(2, new Job(Pointer(ran), Pointer(done), 0));
        Assert.Throws<NotSupportedException>(team.RunCollected);
        Assert.Equal(0, done[0]);
        team.Collect();
        team.Run(1, new Job(Pointer(ran) + 4, Pointer(done), 0));
        team.Drop();
        team.Run(1, new Job(Pointer(ran) + 5, Pointer(done), 0));
        team.RunCollected();
        Assert.Equal([0, 0, 0, 0, 0, 1, 0, 0], ran);
    }

    private static int* Pointer(int[] pinned) => (int*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref pinned[0]);

    /// <summary>Counts its items, and what began before so many items of first jobs were done.</summary>
    private readonly struct Job(int* times, int* done, int after) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            Interlocked.Increment(ref times[item]);
            if (after == 0)
            {
                Interlocked.Increment(ref done[0]);
            }
            else if (Volatile.Read(ref done[0]) < after)
            {
                Interlocked.Increment(ref done[1]);
            }
        }
    }

    private readonly struct Failing : ITeamJob
    {
        public void Execute(int item, int worker) => throw new NotSupportedException();
    }
}
