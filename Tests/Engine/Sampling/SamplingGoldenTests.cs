using System.Text.Json;
using Llama4Kernels.Engine.Sampling;

namespace Llama4Kernels.Tests.Engine.Sampling;

/// <summary>Probabilities after chains of samplers, against the reference implementations.</summary>
public class SamplingGoldenTests
{
    private const double Tolerance = 1e-6;

    public static TheoryData<int, string> Rows()
    {
        var rows = new TheoryData<int, string>();
        string[] lines = File.ReadAllLines(GoldenFiles.Path("sampling.jsonl"));
        for (int i = 0; i < lines.Length; i++)
        {
            using var row = JsonDocument.Parse(lines[i]);
            rows.Add(i, $"{row.RootElement.GetProperty("kind")} {row.RootElement.GetProperty("chain")}");
        }
        return rows;
    }

    [Fact]
    public void AllRowsAreThere() => Assert.Equal(68, Rows().Count);

    [Theory]
    [MemberData(nameof(Rows))]
    public void ProbabilitiesAgree(int index, string what)
    {
        using var document = JsonDocument.Parse(File.ReadAllLines(GoldenFiles.Path("sampling.jsonl"))[index]);
        JsonElement row = document.RootElement;
        float[] logits = [.. row.GetProperty("logits").EnumerateArray().Select(Number)];
        float[] expected = [.. row.GetProperty("probs").EnumerateArray().Select(Number)];
        int[] history = row.TryGetProperty("history", out JsonElement ids) ? [.. ids.EnumerateArray().Select(id => id.GetInt32())] : [];
        var chain = new SamplerChain(row.GetProperty("chain").EnumerateArray().Select(Step));

        float[] actual = new float[expected.Length];
        new Sampler(chain, logits.Length).Probabilities(logits, history, actual);

        for (int id = 0; id < expected.Length; id++)
        {
            Assert.True(
                Math.Abs(expected[id] - actual[id]) <= Tolerance && (expected[id] == 0) == (actual[id] == 0),
                $"{what}: token {id} has probability {actual[id]:R} instead of {expected[id]:R}");
        }
    }

    private static float Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.Null ? float.NegativeInfinity : value.GetSingle();

    private static ISamplerStep Step(JsonElement step)
    {
        float value = step[1].GetSingle();
        return step[0].GetString() switch
        {
            "temperature" => new TemperatureStep(value),
            "top_k" => new TopKStep((int)value),
            "top_p" => new TopPStep(value),
            "min_p" => new MinPStep(value),
            "repetition" => new RepetitionPenaltyStep(value),
            "presence" => new PresencePenaltyStep(value),
            "frequency" => new FrequencyPenaltyStep(value),
            var other => throw new InvalidDataException($"Unknown sampler {other}."),
        };
    }
}
