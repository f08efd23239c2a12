using System.Runtime.InteropServices;
using System.Text.Json;
using Llama4Kernels.Kernels.Rope;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;

namespace Llama4Kernels.Tests.Kernels.Rope;

public sealed class RopeTests
{
    private static T[] Golden<T>(string name)
        where T : unmanaged
    {
        byte[] file = File.ReadAllBytes(GoldenFiles.Path("rope.safetensors"));
        int header = (int)BitConverter.ToInt64(file);
        using JsonDocument json = JsonDocument.Parse(file.AsMemory(8, header));
        JsonElement offsets = json.RootElement.GetProperty(name).GetProperty("data_offsets");
        return MemoryMarshal.Cast<byte, T>(file.AsSpan(8 + header)[offsets[0].GetInt32()..offsets[1].GetInt32()]).ToArray();
    }

    public static TheoryData<string> Models => ["scout", "maverick"];

    private static float[] Frequencies(string model) =>
        RopeFrequencies.Compute(128, 500000f, model == "scout" ? new RopeScaling(16, 1, 1, 8192) : null);

    [Theory]
    [MemberData(nameof(Models))]
    public void FrequenciesEqualTheReferenceToTheBit(string model) =>
        Assert.Equal(Golden<float>($"{model}.inv_freq"), Frequencies(model));

    [Theory]
    [MemberData(nameof(Models))]
    public void AnglesAgreeUpToTenMillion(string model)
    {
        int[] positions = Array.ConvertAll(Golden<long>("positions"), p => (int)p);
        float[] cos = Golden<float>($"{model}.cos");
        float[] sin = Golden<float>($"{model}.sin");
        using var team = new ThreadTeam(2);
        using var angles = new HostTensor(positions.Length, 128);
        RopeAngles.Run(team, Frequencies(model), positions, angles.View);
        for (int i = 0; i < cos.Length; i++)
        {
            Assert.Equal(cos[i], angles.Values[2 * i], 1e-7f);
            Assert.Equal(sin[i], angles.Values[2 * i + 1], 1e-7f);
        }
    }

    [Fact]
    public void InterpolatesBetweenTheLimits()
    {
        float[] plain = RopeFrequencies.Compute(128, 500000f);
        float[] scaled = RopeFrequencies.Compute(128, 500000f, new RopeScaling(8, 1, 4, 8192));
        int between = 0;
        for (int j = 0; j < 64; j++)
        {
            double wavelength = 2 * Math.PI / plain[j];
            double expected = wavelength < 2048 ? plain[j] : plain[j] / 8.0;
            if (wavelength is >= 2048 and <= 8192)
            {
                between++;
                double smooth = (8192 / wavelength - 1) / 3;
                expected = (1 - smooth) * plain[j] / 8 + smooth * plain[j];
            }
            Assert.Equal(expected, scaled[j], expected * 1e-6);
        }
        Assert.True(between > 3);
    }

    [Fact]
    public void RejectsWhatCannotBeRotated()
    {
        Assert.Throws<ArgumentException>(() => RopeFrequencies.Compute(7, 1e4f));
        Assert.Throws<ArgumentOutOfRangeException>(() => RopeFrequencies.Compute(8, float.NaN));
        Assert.Throws<ArgumentException>(() => RopeFrequencies.Compute(8, 1e4f, new RopeScaling(0, 1, 1, 8192)));
    }

    [Theory]
    [InlineData(8190, 1.0)]
    [InlineData(8191, 1.06931472)]
    [InlineData(16383, 1.10986123)]
    [InlineData(1048575, 1.48598124)]
    [InlineData(10485759, 1.71553963)]
    public void QueryScalesStepOneBeforeTheEdge(int position, double expected)
    {
        using var scale = new HostTensor(1, 1);
        QueryScales.Run([position], 0.1f, 8192f, scale.View);
        Assert.Equal(expected, scale.Values[0], 2e-7);
    }
}
