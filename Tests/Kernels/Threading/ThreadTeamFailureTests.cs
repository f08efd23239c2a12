using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Threading;

/// <summary>Items that throw, runs within items, and the end of a team at any moment: typed errors, no hang, no crash.</summary>
public sealed unsafe class ThreadTeamFailureTests
{
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(60);

    private sealed class ItemException(int item) : Exception
    {
        public int Item => item;
    }

    private readonly struct Count(int* items) : ITeamJob
    {
        public void Execute(int item, int worker) => Interlocked.Increment(ref items[item]);
    }

    /// <summary>Throws at some items and counts the others.</summary>
    private readonly struct Fail(int* items, bool* fails) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            if (fails[item])
            {
                throw new ItemException(item);
            }
            Interlocked.Increment(ref items[item]);
        }
    }

    private readonly struct Call(GCHandle<Action<int>> action) : ITeamJob
    {
        public void Execute(int item, int worker) => action.Target(item);
    }

    private static void Run(ThreadTeam team, int count, Action<int> action)
    {
        using var handle = new GCHandle<Action<int>>(action);
        team.Run(count, new Call(handle));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(32)]
    public void TheFailureOfTheLowestItemIsThrownAndTheTeamGoesOn(int threads)
    {
        const int Items = 60;
        using var team = new ThreadTeam(threads, threads);
        var random = new Random(threads);
        int* items = stackalloc int[Items];
        bool* fails = stackalloc bool[Items];
        for (int round = 0; round < 200; round++)
        {
            new Span<int>(items, Items).Clear();
            new Span<bool>(fails, Items).Clear();
            int lowest = Items;
            for (int i = random.Next(1, 6); i > 0; i--)
            {
                int item = random.Next(Items);
                fails[item] = true;
                lowest = Math.Min(lowest, item);
            }
            Assert.Equal(lowest, Assert.Throws<ItemException>(() => team.Run(Items, new Fail(items, fails))).Item);
            for (int i = 0; i < Items; i++)
            {
                Assert.InRange(items[i], i < lowest ? 1 : 0, 1);
            }
            new Span<int>(items, Items).Clear();
            team.Run(Items, new Count(items));
            Assert.All(new Span<int>(items, Items).ToArray(), count => Assert.Equal(1, count));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void AnItemThatIsCancelledEndsTheRun(int threads)
    {
        using var team = new ThreadTeam(threads, threads);
        using var cancellation = new CancellationTokenSource();
        int done = 0;
        var thrown = Assert.Throws<OperationCanceledException>(() => Run(team, 1_000_000, item =>
        {
            cancellation.Token.ThrowIfCancellationRequested();
            if (Interlocked.Increment(ref done) == 100)
            {
                cancellation.Cancel();
            }
        }));
        Assert.Equal(cancellation.Token, thrown.CancellationToken);
        Assert.InRange(done, 100, 1_000_000 / 2);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 3)]
    [InlineData(3, 1)]
    [InlineData(3, 20)]
    public void ARunWithinAnItemIsRefused(int threads, int count)
    {
        using var team = new ThreadTeam(threads, threads);
        using var other = new ThreadTeam(2, 2);
        foreach (ThreadTeam inner in (ThreadTeam[])[team, other])
        {
            foreach (int innerCount in (int[])[1, 8])
            {
                Assert.Throws<InvalidOperationException>(() => Run(team, count, _ => Run(inner, innerCount, _ => { })));
            }
        }
        int done = 0;
        Run(team, 10, _ => Interlocked.Increment(ref done));
        Run(other, 10, _ => Interlocked.Increment(ref done));
        Assert.Equal(20, done);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void ADisposedTeamSaysSo(int threads)
    {
        var team = new ThreadTeam(threads, threads);
        int done = 0;
        Run(team, 5, _ => Interlocked.Increment(ref done));
        team.Dispose();
        team.Dispose();
        foreach (int count in (int[])[0, 1, 2, 100])
        {
            Assert.Throws<ObjectDisposedException>(() => Run(team, count, _ => Interlocked.Increment(ref done)));
        }
        Assert.Equal(5, done);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void ATeamDisposedByAnItemFinishesTheRun(int threads)
    {
        var team = new ThreadTeam(threads, threads);
        int done = 0;
        Run(team, 50, _ =>
        {
            team.Dispose();
            Interlocked.Increment(ref done);
        });
        Assert.Equal(50, done);
        Assert.Throws<ObjectDisposedException>(() => Run(team, 2, _ => { }));
        var join = new Thread(team.Dispose);
        join.Start();
        Assert.True(join.Join(s_bound), "The workers did not end.");
    }

    /// <summary>Moments before, while and after two threads run; every run is whole or says that the team is disposed.</summary>
    [Fact]
    public void DisposingAtAnyMomentLeavesWholeRunsAndTypedErrors()
    {
        const int Items = 20;
        var random = new Random(7);
        for (int moment = 0; moment < Fuzzing.Iterations(200); moment++)
        {
            int threads = 1 + (moment % 4);
            var team = new ThreadTeam(threads, threads);
            var unexpected = new Exception?[2];
            var callers = new Thread[2];
            for (int c = 0; c < callers.Length; c++)
            {
                int caller = c;
                callers[c] = new Thread(() =>
                {
                    int done = 0, runs = 0;
                    try
                    {
                        while (true)
                        {
                            Run(team, Items, _ => Interlocked.Increment(ref done));
                            runs++;
                        }
                    }
                    catch (ObjectDisposedException)
                    {
                        unexpected[caller] = done == runs * Items ? null : new InvalidOperationException($"{done} items in {runs} runs");
                    }
                    catch (Exception e)
                    {
                        unexpected[caller] = e;
                    }
                });
                callers[c].Start();
            }
            Thread.SpinWait(random.Next(8000));
            var end = new Thread(team.Dispose);
            end.Start();
            Assert.True(end.Join(s_bound), "Dispose hangs.");
            Assert.All(callers, caller => Assert.True(caller.Join(s_bound), "A run hangs."));
            Assert.All(unexpected, Assert.Null);
        }
    }

    /// <summary>An interrupt meant for the caller's next wait must not end a run while workers hold its job.</summary>
    [Fact]
    public void AnInterruptedCallerFinishesItsRunFirst()
    {
        using var team = new ThreadTeam(3, 3);
        Exception? failure = null;
        var caller = new Thread(() =>
        {
            failure = Record.Exception(() =>
            {
                for (int round = 0; round < 200; round++)
                {
                    int done = 0;
                    Thread.CurrentThread.Interrupt();
                    Run(team, 30, _ => Interlocked.Increment(ref done));
                    Assert.Equal(30, done);
                    Assert.Throws<ThreadInterruptedException>(() => Thread.Sleep(1000));
                }
            });
        });
        caller.Start();
        Assert.True(caller.Join(s_bound));
        Assert.Null(failure);
    }
}
