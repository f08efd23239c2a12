using System.Text;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>What may be begun can be ended.</summary>
public class DeadEndTests
{
    private const int Walks = 12;
    private const int Choices = 25;

    [Theory]
    [InlineData("""{"type":"string","not":{"pattern":"^[^b]"}}""")]
    [InlineData("""{"type":"string","not":{"pattern":"a"},"minLength":2,"maxLength":9}""")]
    [InlineData("""{"type":"string","pattern":"^(?!a)(?!.*b).*$"}""")]
    [InlineData("""{"type":"string","pattern":"^(?:(?!b).){1,9}c$"}""")]
    [InlineData("""{"type":"string","not":{"format":"ipv4"},"maxLength":8}""")]
    [InlineData("""{"type":"string","not":{"pattern":"^[\\ue000-\\u{10ffff}]"}}""")]
    [InlineData("""{"type":"string","not":{"pattern":"^[^\\u0000-\\ud7ff]"}}""")]
    [InlineData("""{"type":"object","patternProperties":{"^(?!b)":false}}""")]
    [InlineData("""{"type":"object","patternProperties":{"^[a-m]":{"type":"null"}},"additionalProperties":false,"minProperties":2}""")]
    [InlineData("""{"type":"object","not":{"patternProperties":{"^a":{"type":["boolean","string"]}},"properties":{"a":{"type":"number"},"ab":false}}}""")]
    [InlineData("""{"type":"object","not":{"patternProperties":{"^.{2}$":{"maxProperties":2}}}}""")]
    [InlineData("""{"type":"object","propertyNames":{"not":{"pattern":"[^b]"}},"maxProperties":3}""")]
    [InlineData("""{"type":"object","not":{"patternProperties":{"^[^a]":{"type":"number"}}}}""")]
    [InlineData("""{"type":"array","contains":{"type":"object","properties":{"b":{"multipleOf":1.5}},"maxProperties":2}}""")]
    [InlineData("""{"type":"array","items":{"not":{"pattern":"^[^b]"},"type":"string"},"uniqueItems":true,"minItems":3}""")]
    public void EveryWayThatIsAllowedLeadsToAnEnd(string schema)
    {
        ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema);
        for (int seed = 0; seed < Walks; seed++)
        {
            RandomWalk walk = RandomWalk.Take(constraint, ConstraintChecks.Tokenizer, seed, Choices);
            Assert.True(walk.IsWhole, $"{schema} does not end after {walk.Text}");
        }
    }

    /// <summary>A class of surrogates alone would keep states alive that no text leads out of.</summary>
    [Theory]
    [InlineData("a-z")]
    [InlineData("\0-\uFFFF")]
    [InlineData("\uE000-\uF000")]
    [InlineData("a-\uD7FF")]
    public void EveryClassHasAMemberThatATextCanHave(string range)
    {
        CodePointSet set = CodePointSet.Of((range[0], range[^1]));
        CodePointClasses ofSet = CodePointClasses.Of([set]);
        foreach (CodePointClasses classes in (CodePointClasses[])[
            ofSet, CodePointClasses.Of([set, CodePointSet.All]), CodePointClasses.Refine([CodePointClasses.Of([CodePointSet.All]), ofSet])])
        {
            Assert.Equal(classes.Count, classes.Representatives.Length);
            Assert.All(classes.Representatives, (point, index) =>
            {
                Assert.True(Rune.IsValid(point), $"{point:X}");
                Assert.Equal(index, classes[point]);
            });
            foreach (int point in (int[])[0, 'a', 'z', 0xD7FF, 0xE000, 0xF000, 0xFFFF, 0x10000, CodePointSet.Last])
            {
                Assert.Equal(set.Contains(point), set.Contains(classes.Representatives[classes[point]]));
            }
        }
    }
}
