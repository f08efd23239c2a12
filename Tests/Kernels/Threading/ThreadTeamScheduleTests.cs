using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Threading;

/// <summary>Workers that lose their processor at the worst moments: nothing waits for one without an item, no wake-up is lost.</summary>
public sealed unsafe class ThreadTeamScheduleTests
{
    /// <summary>Orders of magnitude above what a run takes, below what a hang takes.</summary>
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(60);

    private readonly struct Count(int* items) : ITeamJob
    {
        public void Execute(int item, int worker) => Interlocked.Increment(ref items[item]);
    }

    /// <summary>Items that end only when as many members as there are items are inside at the same time.</summary>
    private readonly struct Meet(int* arrived, int count, int* gaveUp) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            Interlocked.Increment(ref *arrived);
            long start = Environment.TickCount64;
            while (Volatile.Read(ref *arrived) < count)
            {
                if (Environment.TickCount64 - start > s_bound.TotalMilliseconds)
                {
                    Volatile.Write(ref *gaveUp, 1);
                    return;
                }
                Thread.Yield();
            }
        }
    }

    /// <summary>Says that it is there, and ends when another has come as well.</summary>
    private readonly struct Await(int* here, int* other) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            Volatile.Write(ref *here, 1);
            WaitFor(other);
        }
    }

    [Theory]
    [InlineData(2, (int)ThreadTeam.Stop.Looking)]
    [InlineData(5, (int)ThreadTeam.Stop.Looking)]
    [InlineData(2, (int)ThreadTeam.Stop.Parking)]
    [InlineData(5, (int)ThreadTeam.Stop.Parking)]
    [InlineData(2, (int)ThreadTeam.Stop.Parked)]
    [InlineData(5, (int)ThreadTeam.Stop.Parked)]
    public void ARunDoesNotWaitForWorkersThatTookNoItem(int threads, int stop)
    {
        using var release = new ManualResetEventSlim();
        using var held = new CountdownEvent(threads - 1);
        bool[] isHeld = new bool[threads];
        using var team = new ThreadTeam(threads, threads, (worker, at) =>
        {
            if ((int)at == stop && !release.IsSet && !isHeld[worker])
            {
                isHeld[worker] = true;
                held.Signal();
                release.Wait();
            }
        });
        int* items = stackalloc int[100];
        // The first run wakes the workers, which from now on get no processor.
        team.Run(100, new Count(items));
        Assert.True(held.Wait(s_bound));
        var runs = new Thread(() =>
        {
            for (int round = 0; round < 1000; round++)
            {
                team.Run(100, new Count(items));
            }
        });
        runs.Start();
        bool done = runs.Join(s_bound);
        release.Set();
        runs.Join();
        Assert.True(done, "The runs waited for workers that the system did not schedule.");
        Assert.All(new Span<int>(items, 100).ToArray(), count => Assert.Equal(1001, count));
    }

    /// <summary>A worker held up inside is waited for: its item is not done.</summary>
    [Fact]
    public void ARunWaitsForAWorkerThatIsInside()
    {
        using var release = new ManualResetEventSlim();
        using var held = new ManualResetEventSlim();
        using var team = new ThreadTeam(2, 2, (_, at) =>
        {
            if (at == ThreadTeam.Stop.Leaving && !release.IsSet)
            {
                held.Set();
                release.Wait();
            }
        });
        int arrived = 0, gaveUp = 0;
        int* at = &arrived, up = &gaveUp;
        var run = new Thread(() => team.Run(2, new Meet(at, 2, up)));
        run.Start();
        Assert.True(held.Wait(s_bound));
        Assert.False(run.Join(50));
        release.Set();
        Assert.True(run.Join(s_bound));
        Assert.Equal(0, gaveUp);
    }

    /// <summary>A worker that has seen a run as it parked is awake, although it is not counted yet: none beyond the processors is woken in its place.</summary>
    [Fact]
    public void NoneIsWokenInPlaceOfAWorkerThatRousesItself()
    {
        int* flags = stackalloc int[5];
        new Span<int>(flags, 5).Clear();
        int* parking = flags, inside = flags + 1, rousing = flags + 2, release = flags + 3, beyond = flags + 4;
        int* items = stackalloc int[100];
        using var team = new ThreadTeam(3, 2, (worker, at) =>
        {
            if (worker == 2 && Volatile.Read(ref *release) == 0)
            {
                Volatile.Write(ref *beyond, 1);
            }
            else if (worker == 1 && at == ThreadTeam.Stop.Parking && Interlocked.Exchange(ref *parking, 1) == 0)
            {
                WaitFor(inside);
            }
            else if (at == ThreadTeam.Stop.Rousing)
            {
                Volatile.Write(ref *rousing, 1);
                WaitFor(release);
            }
        });
        team.Run(100, new Count(items));
        WaitFor(parking);
        team.Run(2, new Await(inside, rousing));
        Assert.Equal(1, Volatile.Read(ref *rousing));
        team.Run(100, new Count(items));
        // Long enough for one that was woken to show.
        Thread.Sleep(50);
        Assert.Equal(0, Volatile.Read(ref *beyond));
        Volatile.Write(ref *release, 1);
    }

    /// <summary>
    /// Every member is needed at every run, and workers pause or park at random in between: a lost wake-up leaves one out.
    /// </summary>
    [Theory]
    [InlineData(2, 1500)]
    [InlineData(3, 700)]
    [InlineData(6, 150)]
    public void NoWakeUpIsLost(int threads, int rounds)
    {
        var random = new ThreadLocal<Random>(() => new Random(Environment.CurrentManagedThreadId));
        using var team = new ThreadTeam(threads, threads, (_, _) => Pause(random.Value!));
        int arrived = 0, gaveUp = 0;
        for (int round = 0; round < rounds; round++)
        {
            arrived = 0;
            team.Run(threads, new Meet(&arrived, threads, &gaveUp));
            Assert.Equal(0, gaveUp);
            Assert.Equal(threads, arrived);
            if (round % 3 == 0)
            {
                Pause(random.Value!);
            }
        }
    }

    [Fact]
    public void WakesParkedWorkers()
    {
        using var team = new ThreadTeam(3, 3);
        int arrived = 0, gaveUp = 0;
        for (int round = 0; round < 20; round++)
        {
            Thread.Sleep(3);
            arrived = 0;
            team.Run(3, new Meet(&arrived, 3, &gaveUp));
            Assert.Equal(0, gaveUp);
        }
    }

    private static void WaitFor(int* flag) => SpinWait.SpinUntil(new Flag(flag).IsSet, s_bound);

    private sealed class Flag(int* flag)
    {
        public bool IsSet() => Volatile.Read(ref *flag) != 0;
    }

    /// <summary>Mostly nothing, sometimes a turn without the processor, now and then longer than workers stay awake.</summary>
    private static void Pause(Random random)
    {
        switch (random.Next(600))
        {
            case 0:
                Thread.Sleep(1);
                break;
            case < 20:
                Thread.SpinWait(random.Next(400));
                break;
            case < 40:
                Thread.Yield();
                break;
        }
    }
}
