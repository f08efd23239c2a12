using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Numerics;

public sealed class Bf16Tests
{
    [Fact]
    public void EveryValueSurvivesTheRoundTrip()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = Bf16.ToSingle((ushort)bits);
            ushort back = Bf16.FromSingle(value);
            if (float.IsNaN(value))
            {
                Assert.True(float.IsNaN(Bf16.ToSingle(back)));
            }
            else
            {
                Assert.Equal(bits, back);
            }
        }
    }

    [Theory]
    [InlineData(0x3f808000u, 0x3f80)] // halfway, even stays
    [InlineData(0x3f818000u, 0x3f82)] // halfway, odd goes up
    [InlineData(0x3f808001u, 0x3f81)]
    [InlineData(0x7f7fffffu, 0x7f80)] // largest float rounds to infinity
    [InlineData(0x00000001u, 0x0000)]
    [InlineData(0x80000001u, 0x8000)]
    public void RoundsToNearestEven(uint single, int expected) =>
        Assert.Equal(expected, Bf16.FromSingle(BitConverter.UInt32BitsToSingle(single)));

    /// <summary>Spans of all lengths around the vectors' give the bits of single numbers, and touch nothing beside.</summary>
    [Fact]
    public void SpansAreConvertedAsSingleNumbersAre()
    {
        var random = new Random(5);
        float[] special = [float.NaN, BitConverter.UInt32BitsToSingle(0xff800001), float.PositiveInfinity, float.NegativeInfinity, -0f, float.Epsilon, float.MaxValue, 1.00390625f, 1.01171875f];
        for (int length = 0; length <= 131; length++)
        {
            float[] values = [.. Enumerable.Range(0, length + 2).Select(_ => random.Next(3) == 0 ? special[random.Next(special.Length)] : BitConverter.Int32BitsToSingle(random.Next()))];
            ushort[] bits = new ushort[length + 2];
            Bf16.FromSingle(values.AsSpan(1, length), bits.AsSpan(1, length));
            Assert.Equal([0, .. values[1..^1].Select(Bf16.FromSingle), 0], bits);
            float[] back = new float[length + 2];
            Bf16.ToSingle(bits.AsSpan(1, length), back.AsSpan(1, length));
            Assert.Equal(bits.Select(Bf16.ToSingle).Select(BitConverter.SingleToUInt32Bits), back.Select(BitConverter.SingleToUInt32Bits));
        }
        Assert.Throws<ArgumentException>(() => Bf16.FromSingle(new float[3], new ushort[2]));
        Assert.Throws<ArgumentException>(() => Bf16.ToSingle(new ushort[3], new float[4]));
    }
}
