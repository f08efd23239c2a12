using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Tests.Engine.Sampling;

public class GenerationOptionsTests
{
    public static TheoryData<string, Func<GenerationOptions>> Invalid() => new()
    {
        { "Temperature", () => new GenerationOptions { Temperature = -0.1f } },
        { "Temperature", () => new GenerationOptions { Temperature = float.NaN } },
        { "Temperature", () => new GenerationOptions { Temperature = float.PositiveInfinity } },
        { "TopP", () => new GenerationOptions { TopP = 0 } },
        { "TopP", () => new GenerationOptions { TopP = 1.1f } },
        { "TopP", () => new GenerationOptions { TopP = float.NaN } },
        { "TopK", () => new GenerationOptions { TopK = 0 } },
        { "MinP", () => new GenerationOptions { MinP = -0.1f } },
        { "MinP", () => new GenerationOptions { MinP = 1.1f } },
        { "MinP", () => new GenerationOptions { MinP = float.NaN } },
        { "RepetitionPenalty", () => new GenerationOptions { RepetitionPenalty = 0 } },
        { "RepetitionPenalty", () => new GenerationOptions { RepetitionPenalty = float.NaN } },
        { "PresencePenalty", () => new GenerationOptions { PresencePenalty = float.NaN } },
        { "FrequencyPenalty", () => new GenerationOptions { FrequencyPenalty = float.NegativeInfinity } },
        { "LogitBias", () => new GenerationOptions { LogitBias = null! } },
        { "LogitBias", () => new GenerationOptions { LogitBias = new Dictionary<int, float> { [-1] = 1 } } },
        { "LogitBias", () => new GenerationOptions { LogitBias = new Dictionary<int, float> { [3] = float.NegativeInfinity } } },
        { "MaxTokens", () => new GenerationOptions { MaxTokens = 0 } },
        { "StopStrings", () => new GenerationOptions { StopStrings = ["a", ""] } },
        { "StopStrings", () => new GenerationOptions { StopStrings = null! } },
        { "TopLogprobs", () => new GenerationOptions { TopLogprobs = -1 } },
        { "TopLogprobs", () => new GenerationOptions { TopLogprobs = 21 } },
    };

    [Theory]
    [MemberData(nameof(Invalid))]
    public void ValuesOutOfRangeAreNamed(string name, Func<GenerationOptions> create)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => create());
        Assert.Equal(name, error.ParamName);
    }

    [Fact]
    public void TheMessageSaysWhatIsAllowedAndWhatWasGiven()
    {
        var error = Assert.Throws<ArgumentException>(() => new GenerationOptions { TopP = 1.5f });
        Assert.StartsWith("TopP must be in (0, 1], not 1.5.", error.Message);
    }

    [Fact]
    public void DefaultsAreThoseOfThePublishedCode()
    {
        var options = new GenerationOptions();
        Assert.Equal(0.6f, options.Temperature);
        Assert.Equal(0.9f, options.TopP);
        Assert.Null(options.TopK);
        Assert.Null(options.MinP);
        Assert.Equal(1, options.RepetitionPenalty);
        Assert.Equal(0, options.PresencePenalty);
        Assert.Equal(0, options.FrequencyPenalty);
        Assert.Empty(options.LogitBias);
        Assert.Null(options.MaxTokens);
        Assert.Empty(options.StopStrings);
    }

    [Fact]
    public void StopStringsAreCopied()
    {
        string[] given = ["a"];
        var options = new GenerationOptions { StopStrings = given };
        given[0] = "";
        Assert.Equal(["a"], options.StopStrings);
    }

    [Fact]
    public void UsageAddsUp() => Assert.Equal(12, new Usage(10, 2, ImageTokens: 4).TotalTokens);

    [Fact]
    public void ChangesToTheCallersBiasesChangeNothing()
    {
        var biases = new Dictionary<int, float> { [3] = 1 };
        var options = new GenerationOptions { LogitBias = biases };
        biases[4] = 2;
        Assert.Equal([new KeyValuePair<int, float>(3, 1)], options.LogitBias);
    }
}
