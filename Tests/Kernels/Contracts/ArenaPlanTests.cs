using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Kernels.Contracts;

public sealed class ArenaPlanTests
{
    [Fact]
    public void TensorsLieApartAndAligned()
    {
        (int Rows, int Columns)[] shapes = [(3, 5), (0, 7), (1, 1), (2, 16), (7, 33)];
        var plan = new ArenaPlan(shapes);
        using var memory = new CpuMemory(plan.Bytes);
        Tensor[] views = [.. shapes.Select((_, i) => plan.View(memory, i))];
        Assert.Equal(shapes, views.Select(view => (view.Rows, view.Columns)));
        Assert.All(views, view => Assert.Equal(0, (view.Address - memory.Address) % 64));
        Assert.All(views.Zip(views.Skip(1)), pair => Assert.True(pair.First.Address + (nint)pair.First.Bytes <= pair.Second.Address));
        Assert.Equal(plan.Bytes, views[^1].Address + (nint)ArenaPlan.BytesOf(7, 33) - memory.Address);
        using var small = new CpuMemory(plan.Bytes - 64);
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.View(small, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ArenaPlan((1, -1)));
        Assert.Throws<OverflowException>(() => new ArenaPlan((int.MaxValue, int.MaxValue), (int.MaxValue, int.MaxValue)));
    }
}
