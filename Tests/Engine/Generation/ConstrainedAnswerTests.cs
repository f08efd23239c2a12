using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Generation;

/// <summary>Compiled constraints beside what else a request may ask for: log-probabilities, stop strings, limits.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ConstrainedAnswerTests(ModelFixture models)
{
    private const string Schema = """{"type":"object","properties":{"model":{"enum":["Scout","Maverick"]},"experts":{"enum":[16,128]},"note":{"type":"string","maxLength":12}},"required":["model","experts","note"],"additionalProperties":false}""";

    private Llama4Model Nano => models.Get("nano");

    [Theory]
    [InlineData(0, null)]
    [InlineData(3, null)]
    [InlineData(0, "experts")]
    [InlineData(3, "experts")]
    [InlineData(3, "\",\"")]
    public async Task LogProbabilitiesAndStopStringsStandBesideIt(float temperature, string? stop)
    {
        await using var engine = new Llama4Engine(Nano);
        ITokenConstraint constraint = new ConstraintCompiler(Nano.Tokenizer).JsonSchema(Schema);
        GenerationOptions options = new()
        {
            Temperature = temperature,
            TopP = 1,
            Seed = 11,
            MaxTokens = 200,
            Logprobs = true,
            TopLogprobs = 20,
            StopStrings = stop is null ? [] : [stop],
            Constraint = constraint,
        };
        List<GenerationUpdate> updates = [];
        Prompt question = Nano.Chat.EncodePrompt([ChatMessage.FromText(ChatRole.User, "How many experts does Scout have?")]);
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(question, options)))
        {
            updates.Add(update);
        }
        string text = string.Concat(updates.Select(update => update.Text));
        if (stop is null)
        {
            Assert.Contains(updates[^1].FinishReason, (FinishReason?[])[FinishReason.Complete, FinishReason.EndOfTurn]);
            Assert.Equal(["model", "experts", "note"], JsonElement.Parse(text).EnumerateObject().Select(property => property.Name));
        }
        else
        {
            Assert.Equal(FinishReason.Stop, updates[^1].FinishReason);
            Assert.DoesNotContain(stop, text, StringComparison.Ordinal);
            Assert.StartsWith("{\"model\":\"", text, StringComparison.Ordinal);
        }
        // Each token's candidates are those that the constraint allowed there, and no others.
        ITokenConstraint replayed = constraint.Fork();
        TokenMask mask = new(Nano.Tokenizer.VocabularySize);
        foreach (GenerationUpdate update in updates.Where(update => update.TokenId is int id && id < Nano.Tokenizer.BaseVocabularySize))
        {
            replayed.Allow(mask);
            Assert.NotNull(update.Logprob);
            Assert.Contains(update.TokenId!.Value, Enumerable.Range(0, mask.Vocabulary).Where(id => mask[id]));
            Assert.All(update.TopLogprobs, candidate => Assert.True(mask[candidate.TokenId] || replayed.MayEnd, $"{candidate.TokenId} in {text}"));
            Assert.InRange(update.TopLogprobs.Sum(candidate => Math.Exp(candidate.Logprob)), mask.Count <= 20 ? 1 - 1e-6 : 0, 1 + 1e-6);
            replayed.Accept(update.TokenId.Value);
        }
    }
}
