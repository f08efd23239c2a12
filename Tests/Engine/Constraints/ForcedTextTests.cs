using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>What is forced is what the tokenizer makes of the text, however the text goes on: no word is cut where it would not cut it.</summary>
public class ForcedTextTests
{
    [Theory]
    [InlineData("The answer is (yes|no|maybe|none of these), of course(\\.|!| not)", "The answer is yes, of course.|The answer is none of these, of course not|The answer is maybe, of course!")]
    [InlineData("Scout has 16 experts( and Maverick has 128)?", "Scout has 16 experts|Scout has 16 experts and Maverick has 128")]
    [InlineData("(19|20)[0-9]{2}-0[1-9]", "1984-01|2024-09")]
    [InlineData("größer als 100 °C(elsius)?", "größer als 100 °C|größer als 100 °Celsius")]
    [InlineData("only this", "only this")]
    public void WordsAreCutAsTheTokenizerCutsThem(string pattern, string texts)
    {
        ITokenConstraint constraint = ConstraintChecks.Compiler.Regex(pattern);
        Assert.All(texts.Split('|'), text => Follow(constraint, text));
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"temperature":{"type":"integer"},"temperatures":{"type":"array"},"unit":{"enum":["celsius","fahrenheit"]}},"required":["temperature","unit"],"additionalProperties":false}""",
        """{"temperature":21,"unit":"celsius"}|{"temperature":-3,"temperatures":[],"unit":"fahrenheit"}""")]
    [InlineData("""{"type":"array","items":{"const":{"kind":"the same","value":null}},"minItems":2,"maxItems":3}""",
        """[{"kind":"the same","value":null},{"kind":"the same","value":null}]""")]
    public void DocumentsAreCutAsTheTokenizerCutsThem(string schema, string documents)
    {
        ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema);
        int forced = documents.Split('|').Sum(document => Follow(constraint, document));
        Assert.True(forced > 0, "Nothing was forced.");
    }

    // The tokenizer's tokens of a text: those that are forced on the way are among them, at their place.
    private static int Follow(ITokenConstraint constraint, string text)
    {
        int[] tokens = ConstraintChecks.Tokenizer.Encode(text);
        ITokenConstraint state = constraint.Fork();
        int count = 0;
        for (int at = 0; at < tokens.Length; at++)
        {
            int[] forced = state.ForcedTokens.ToArray();
            Assert.True(
                forced.AsSpan().SequenceEqual(tokens.AsSpan(at, Math.Min(forced.Length, tokens.Length - at))),
                $"After '{ConstraintChecks.Tokenizer.Decode(tokens.AsSpan(0, at))}' '{ConstraintChecks.Tokenizer.Decode(forced)}' is forced.");
            count += forced.Length;
            state.Accept(tokens[at]);
        }
        Assert.True(state.MayEnd, text);
        return count;
    }
}
