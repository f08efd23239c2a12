using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Numerics;

public sealed class Bf16Tests
{
    [Fact]
    public void Every_value_survives_the_round_trip()
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
    public void Rounds_to_nearest_even(uint single, int expected) =>
        Assert.Equal(expected, Bf16.FromSingle(BitConverter.UInt32BitsToSingle(single)));
}
