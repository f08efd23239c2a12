using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>200 requests of all kinds from many callers; <c>LLAMA4_FUZZ=50</c> makes them 10,000, and then handles and memory are looked at too.</summary>
public sealed class EngineSoakTests
{
    private const int Callers = 24;

    [Fact]
    public async Task AfterManyRequestsEverythingIsAsItWas()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-scout"), new ModelOptions { Threads = 1, LoadVision = false });
        var options = new EngineOptions { StepRows = 64, StepTokens = 24, MaxLogitRows = 8, MaxContext = 96, BlockTokens = 8, MaxQueue = 14 };
        var engine = new Llama4Engine(model, options with { CacheBytes = StepRunner.CacheBytes(model, options, 96, 3) });
        int total = (int)Fuzzing.Iterations(200), next = 0;
        await Ask(engine, 100, 0);
        (int handles, long memory) = await Measure();
        int[] kinds = new int[3];
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) <= total;)
            {
                Interlocked.Increment(ref kinds[await Ask(engine, 1, i)]);
            }
        })));
        // Answered, cancelled or left, too late.
        Assert.Equal(total, kinds.Sum());
        Assert.All(kinds[..2], count => Assert.True(count > total / 20, string.Join(" ", kinds)));
        await engine.IsIdle();
        if (total >= 10_000)
        {
            (int handlesAfter, long memoryAfter) = await Measure();
            Assert.InRange(handlesAfter, 0, handles + 8);
            Assert.InRange(memoryAfter, 0, memory + (4 << 20));
        }
        await engine.Close();
    }

    private static async Task<int> Ask(Llama4Engine engine, int count, int seed)
    {
        int kind = 0;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(seed + i);
            int[] ids = [.. MetamorphicTests.Ids(random.Next(1, 50), random.Next(3)), random.Next(1000)];
            var request = new GenerationRequest(Prompt.FromIds(ids), new GenerationOptions { Temperature = random.Next(2), MaxTokens = random.Next(1, 40), IgnoreEos = true })
            {
                Priority = random.Next(4),
                Salt = random.Next(8) == 0 ? "tenant" : "",
                Deadline = random.Next(5) == 0 ? TimeSpan.FromMilliseconds(random.Next(1, 50)) : null,
            };
            using var cancel = new CancellationTokenSource();
            int most = random.Next(5) == 0 ? random.Next(1, 5) : int.MaxValue;
            if (random.Next(5) == 0)
            {
                cancel.CancelAfter(random.Next(1, 20));
            }
            Outcome outcome = await engine.Ask(request, most, cancel.Token);
            kind = outcome.Failure switch
            {
                null => most == int.MaxValue ? 0 : 1,
                OperationCanceledException => 1,
                DeadlinePassedException => 2,
                QueueFullException => 3,
                _ => throw outcome.Failure,
            };
            if (kind == 3)
            {
                // Who is refused asks again.
                await Task.Delay(10);
                i--;
            }
        }
        return kind;
    }

    private static async Task<(int Handles, long Memory)> Measure()
    {
        // What was left half-way is finalised.
        await Task.Delay(100);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return (OperatingSystem.IsLinux() ? Directory.GetFileSystemEntries("/proc/self/fd").Length : 0, GC.GetTotalMemory(forceFullCollection: true));
    }
}
