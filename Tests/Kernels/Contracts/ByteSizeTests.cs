using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Kernels.Contracts;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("2GiB", 2L << 30)]
    [InlineData("1.5 mib", 3L << 19)]
    [InlineData("4096", 4096)]
    [InlineData("0B", 0)]
    [InlineData("8388607.5TiB", 9_223_371_487_098_961_920L)]
    public void AmountsOfMemoryAreRead(string text, long expected)
    {
        Assert.True(ByteSize.TryParse(text, out long bytes));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GiB")]
    [InlineData("-1GiB")]
    [InlineData("2GB")]
    [InlineData("1,5GiB")]
    [InlineData("0.3B")]
    [InlineData("1.2.3MiB")]
    [InlineData("9000000TiB")]
    [InlineData("99999999999999999999999999999999")]
    [InlineData("1e9")]
    [InlineData("2 GiB more")]
    public void AnythingElseIsNone(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Fact]
    public void WhatIsWrittenIsRead() =>
        Assert.All([1L, 1023, 1024, 3 << 19, 5L << 40], bytes => Assert.True(ByteSize.TryParse(ByteSize.Text(bytes), out long read) && read == bytes));
}
