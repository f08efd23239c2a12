using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Tools;

public sealed class InterruptsTests
{
    [Fact]
    public void TheInnermostWorkIsStoppedOnce()
    {
        var interrupts = new Interrupts();
        Assert.False(interrupts.Stop());
        using CancellationTokenSource outer = interrupts.Begin(CancellationToken.None);
        using CancellationTokenSource inner = interrupts.Begin(outer.Token);
        Assert.True(interrupts.Stop());
        Assert.True(inner.IsCancellationRequested);
        Assert.False(outer.IsCancellationRequested);
        Assert.False(interrupts.Stop());
        interrupts.End(inner);
        Assert.False(interrupts.Unstoppable(interrupts.Stop));
        Assert.True(interrupts.Stop());
        Assert.True(outer.IsCancellationRequested);
    }
}
