using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Engine.Serving;

public sealed class SharedItemsTests
{
    [Fact]
    public void EachItemIsDoneOnceAndAllAreDoneAtTheEnd()
    {
        int[] done = new int[64];
        var items = new SharedItems(3, item => Interlocked.Increment(ref done[item]));
        for (int run = 1; run <= 3000; run++)
        {
            int count = run % done.Length;
            Array.Clear(done);
            items.Run(count);
            Assert.All(done, (times, item) => Assert.Equal(item < count ? 1 : 0, times));
        }
    }

    [Fact]
    public void WithoutHelpTheCallerDoesAll()
    {
        List<int> done = [];
        int caller = Environment.CurrentManagedThreadId;
        new SharedItems(0, item => done.Add(Environment.CurrentManagedThreadId == caller ? item : -1)).Run(5);
        Assert.Equal([4, 3, 2, 1, 0], done);
    }

    [Fact]
    public void NothingIsAllocated()
    {
        var items = new SharedItems(0, _ => { });
        items.Run(8);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            items.Run(8);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
