using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public abstract partial class DeviceKernelTests
{
    private const float Nothing = float.NegativeInfinity;
    private const double Units = 1L << 53;

    [Theory]
    [InlineData(1f)]
    [InlineData(0.6f)]
    [InlineData(1.7f)]
    [InlineData(1e-38f)]
    public void TemperaturesGiveTheBitsOfTheProcessor(float temperature)
    {
        int columns = 2 * N + 5;
        float[] logits = Numbers(2 * columns, 70, 9f);
        logits[3] = Nothing;
        logits[4] = -0f;
        DeviceBuffer values = _device.Upload(logits);
        Run("temperature", (2, 1, 1), values, _device.Upload([temperature, 2f]), columns);
        Assert.Equal([.. Stepped(new TemperatureStep(temperature), logits[..columns]), .. Stepped(new TemperatureStep(2f), logits[columns..])], Floats(values));
    }

    [Fact]
    public void TheKLargestAndTheirEqualsStay()
    {
        int columns = 2 * N + 5;
        float[] logits = [.. Numbers(columns, 71).Select(value => MathF.Round(value * 4) / 4)];
        logits[1] = -0f;
        logits[2] = 0f;
        logits[columns - 1] = Nothing;
        int[] ks = [1, 2, columns / 2, columns - 1, columns, columns + 1, 0];
        float[] distinct = Numbers(columns, 72);
        int[] distinctKs = [1, 3, columns - 1];
        DeviceBuffer values = _device.Upload([.. ks.SelectMany(_ => logits), .. distinctKs.SelectMany(_ => distinct)]);
        Run("keep_top_k", (ks.Length + distinctKs.Length, 1, 1), values, _device.Upload([.. ks, .. distinctKs]), columns);
        Assert.Equal([.. ks.SelectMany(k => k == 0 ? logits : Stepped(new TopKStep(k), logits)), .. distinctKs.SelectMany(k => Stepped(new TopKStep(k), distinct))], Floats(values));
    }

    [Theory]
    [InlineData(6f)]
    [InlineData(0.5f)]
    public void TheNucleusIsCutAtEveryRank(float range)
    {
        int columns = N + 13;
        float[] logits = Numbers(columns, 73, range);
        // Equals all over the row, in different threads' parts.
        logits[columns - 1] = logits[columns / 2] = logits[0];
        double[] probabilities = SamplingOracle.Probabilities(logits);
        int[] order = SamplingOracle.Order(probabilities);
        // In the middle between two masses rounding does not matter.
        var ps = new float[columns - 1];
        double before = 0;
        for (int rank = 0; rank < ps.Length; rank++)
        {
            ps[rank] = (float)(before + probabilities[order[rank]] / 2);
            before += probabilities[order[rank]];
        }
        // Only so many that the simulated device has done soon.
        ps = [.. ps.Where((_, rank) => rank < 4 || rank % (columns / 12) == 0), (float)probabilities.Max() / 2, 1e-30f, float.Epsilon, 1f];
        float[] actual = TopP([.. ps.SelectMany(_ => logits)], ps);
        for (int row = 0; row < ps.Length; row++)
        {
            float[] kept = actual[(row * columns)..((row + 1) * columns)];
            int[] expected = ps[row] == 1f ? [.. Enumerable.Range(0, columns)] : SamplingOracle.Nucleus(probabilities, ps[row]);
            Assert.Equal(expected, Enumerable.Range(0, columns).Where(c => kept[c] != Nothing));
            Assert.All(expected, c => Assert.Equal(logits[c], kept[c]));
            Assert.Equal(Stepped(new TopPStep(ps[row]), logits), kept);
        }
    }

    /// <summary>Equal values have exact weights: here the cut is at p itself, and rounding decides as on the processor.</summary>
    [Fact]
    public void ACutAmongEqualsIsTheProcessors()
    {
        int columns = 2 * N + 1;
        List<float> logits = [], ps = [], expected = [];
        foreach (int equals in (int[])[1, 3, 7, N, columns])
        {
            float[] row = [.. Enumerable.Repeat(Nothing, columns)];
            foreach (int c in Enumerable.Range(0, columns).OrderBy(c => c * 7 % columns).Take(equals))
            {
                row[c] = 3.25f;
            }
            foreach (float p in (float[])[1f / equals, 2f / equals, 0.5f, (equals - 1f) / equals, MathF.BitDecrement(1f), 1e-9f])
            {
                if (p is > 0 and <= 1)
                {
                    logits.AddRange(row);
                    ps.Add(p);
                    expected.AddRange(Stepped(new TopPStep(p), row));
                }
            }
        }
        Assert.Equal(expected, TopP([.. logits], [.. ps]));
    }

    [Fact]
    public void SmallProbabilitiesBesideTheLargestGoByRatio()
    {
        int columns = N + 3;
        float[] logits = Numbers(3 * columns, 74, 4f), minPs = [0f, 0.05f, 1f];
        logits[columns + 2] = Nothing;
        DeviceBuffer values = _device.Upload(logits), sums = Zeros<float>(6);
        Run("softmax_sums", (3, 1, 1), values, sums, columns);
        Run("min_p", (3, 1, 1), values, sums, _device.Upload(minPs), columns);
        Assert.Equal(minPs.SelectMany((minP, row) => Stepped(new MinPStep(minP), logits[(row * columns)..((row + 1) * columns)])), Floats(values));
    }

    [Fact]
    public void DrawsGoByTheCumulatedWeights()
    {
        int columns = 3 * N + 1;
        float[] logits = Numbers(columns, 75, 3f);
        logits[0] = logits[columns - 1] = Nothing;
        double[] probabilities = SamplingOracle.Probabilities(logits);
        var random = new SeededRandom(3);
        double[] uniforms = [0, 1 - 1e-9, 0.5, .. Enumerable.Range(0, 13).Select(_ => random.NextDouble())];
        DeviceBuffer ids = Zeros<int>(uniforms.Length);
        Run("draw", (uniforms.Length, 1, 1), _device.Upload([.. uniforms.SelectMany(_ => logits)]), _device.Upload(Longs(uniforms)), ids, columns);
        Assert.Equal(uniforms.Select(uniform => SamplingOracle.Draw(probabilities, uniform)), _device.Download<int>(ids));
    }

    /// <summary>Equal values have exact weights, so a uniform that is a border belongs to the next column.</summary>
    [Fact]
    public void DrawsAtBordersAreExact()
    {
        float[] uniforms = [0f, 0.25f, MathF.BitDecrement(0.25f), 0.5f, 0.75f, MathF.BitDecrement(1f)];
        DeviceBuffer ids = Zeros<int>(uniforms.Length), only = Zeros<int>(1);
        Run("draw", (uniforms.Length, 1, 1), _device.Upload([.. uniforms.SelectMany(_ => (float[])[Nothing, -2f, -2f, Nothing, -2f, -2f])]), _device.Upload(Longs([.. uniforms])), ids, 6);
        Assert.Equal([1, 2, 1, 4, 5, 5], _device.Download<int>(ids));
        Run("draw", (1, 1, 1), _device.Upload([-7f]), _device.Upload(Longs([1 - 1 / Units])), only, 1);
        Assert.Equal([0], _device.Download<int>(only));
    }

    [Fact]
    public void NoTokenComesFromInvalidLogits()
    {
        int columns = N + 2;
        float[] plain = Numbers(columns, 76);
        float[][] rows = [[.. plain], [.. plain], [.. Enumerable.Repeat(Nothing, columns)], [.. plain], [.. plain]];
        rows[0][columns - 1] = float.NaN;
        rows[1][columns / 2] = float.PositiveInfinity;
        rows[4][0] = float.NaN;
        rows[4][1] = float.PositiveInfinity;
        int[] ids = Chain([.. rows.SelectMany(row => row)], columns, Enumerable.Repeat(new GenerationOptions { Temperature = 0.7f, TopK = 2, TopP = 0.5f, MinP = 0.1f }, 5).ToArray(), [0.5, 0.5, 0.5, 0.5, 0.5]).Ids;
        Assert.Equal([-1, -1, -1], ids[..3]);
        Assert.InRange(ids[3], 0, columns - 1);
        Assert.Equal(-1, ids[4]);
    }

    [Fact]
    public void AllStepsGiveTheProcessorsTokens()
    {
        int columns = 4 * N + 7;
        const int Rows = 12;
        GenerationOptions[] options = [.. Enumerable.Range(0, Rows).Select(row => new GenerationOptions
        {
            Temperature = 0.6f + 0.4f * (row % 3),
            TopP = row % 2 == 0 ? 0.9f : 1f,
            TopK = row % 4 == 1 ? 40 : row == 2 ? 1 : null,
            MinP = row % 5 == 3 ? 0.02f : null,
        })];
        float[] logits = Numbers(Rows * columns, 77, 4f);
        double[] uniforms = new double[Rows];
        int[] expected = new int[Rows];
        for (int row = 0; row < Rows; row++)
        {
            var random = new SeededRandom((ulong)row);
            uniforms[row] = random.NextDouble();
            random = new SeededRandom((ulong)row);
            expected[row] = new Sampler(SamplerChain.Create(options[row]), columns).Sample(logits[(row * columns)..((row + 1) * columns)], [], ref random);
        }
        Assert.True(expected.Distinct().Count() > Rows / 2);
        Assert.Equal(expected, Chain(logits, columns, options, uniforms).Ids);
    }

    /// <summary>All reference rows without penalties as one batch, each row with its own parameters.</summary>
    [Fact]
    public void SamplingReferencesComeOut()
    {
        List<float> logits = [];
        List<float[]> expected = [];
        List<GenerationOptions> options = [];
        foreach (string line in File.ReadLines(GoldenFiles.Path("sampling.jsonl")))
        {
            using var row = JsonDocument.Parse(line);
            GenerationOptions? option = new() { Temperature = 1f, TopP = 1f };
            foreach (JsonElement step in row.RootElement.GetProperty("chain").EnumerateArray())
            {
                float value = step[1].GetSingle();
                option = step[0].GetString() switch
                {
                    "temperature" => option! with { Temperature = value },
                    "top_k" => option! with { TopK = (int)value },
                    "top_p" => option! with { TopP = value },
                    "min_p" => option! with { MinP = value },
                    _ => null,
                };
                if (option is null)
                {
                    break;
                }
            }
            if (option is not null)
            {
                options.Add(option);
                logits.AddRange(Row("logits"));
                expected.Add(Row("probs"));
            }

            float[] Row(string name) => [.. row.RootElement.GetProperty(name).EnumerateArray().Select(value => value.ValueKind == JsonValueKind.Null ? Nothing : value.GetSingle())];
        }
        Assert.Equal(57, expected.Count);
        int columns = expected[0].Length;
        float[] kept = Chain([.. logits], columns, [.. options], new double[options.Count]).Logits;
        for (int row = 0; row < expected.Count; row++)
        {
            double[] actual = SamplingOracle.Probabilities(kept[(row * columns)..((row + 1) * columns)]);
            for (int c = 0; c < columns; c++)
            {
                Assert.True(Math.Abs(expected[row][c] - actual[c]) <= 1e-6 && (expected[row][c] == 0) == (actual[c] == 0), $"{options[row]}: {c} has {actual[c]:R} instead of {expected[row][c]:R}");
            }
        }
    }

    private static float[] Stepped(ISamplerStep step, float[] logits)
    {
        float[] copy = [.. logits];
        step.Apply(copy, [], new SamplerWorkspace(copy.Length));
        return copy;
    }

    private static long[] Longs(double[] uniforms) => Array.ConvertAll(uniforms, uniform => (long)(uniform * Units));

    private float[] TopP(float[] logits, float[] ps)
    {
        int columns = logits.Length / ps.Length;
        DeviceBuffer values = _device.Upload(logits), sums = Zeros<float>(2 * ps.Length);
        Run("softmax_sums", (ps.Length, 1, 1), values, sums, columns);
        Run("top_p", (ps.Length, 1, 1), values, sums, _device.Upload(ps), Zeros<float>(logits.Length), columns);
        return Floats(values);
    }

    /// <summary>The kernels in their order: the logits that are left and the tokens drawn.</summary>
    private (float[] Logits, int[] Ids) Chain(float[] logits, int columns, GenerationOptions[] options, double[] uniforms)
    {
        int rows = options.Length;
        DeviceBuffer values = _device.Upload(logits), sums = Zeros<float>(2 * rows), ids = Zeros<int>(rows);
        Run("temperature", (rows, 1, 1), values, _device.Upload([.. options.Select(option => option.Temperature)]), columns);
        Run("keep_top_k", (rows, 1, 1), values, _device.Upload([.. options.Select(option => option.TopK ?? 0)]), columns);
        Run("softmax_sums", (rows, 1, 1), values, sums, columns);
        Run("top_p", (rows, 1, 1), values, sums, _device.Upload([.. options.Select(option => option.TopP)]), Zeros<float>(logits.Length), columns);
        Run("min_p", (rows, 1, 1), values, sums, _device.Upload([.. options.Select(option => option.MinP ?? 0f)]), columns);
        Run("draw", (rows, 1, 1), values, _device.Upload(Longs(uniforms)), ids, columns);
        return (Floats(values), _device.Download<int>(ids));
    }
}
