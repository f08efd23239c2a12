using System.Globalization;
using System.Numerics;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Conditions on numbers hold for every way to write them: against exact fractions.</summary>
public class NumberFormTests
{
    private static readonly string[] s_bounds = ["0", "1", "-1", "10", "5", "100", "0.5", "-0.25", "123.45", "-1000", "99", "0.001", "12", "1000000", "-7.5", "20.02"];
    private static readonly string[] s_steps = ["1", "2", "5", "10", "100", "0.1", "0.01", "0.5", "0.25", "3", "15", "7", "1.5", "0.02", "97", "1000"];

    [Fact]
    public void EveryWritingIsJudgedByItsValue()
    {
        Random random = new(14);
        for (long round = 0; round < Fuzzing.Iterations(300); round++)
        {
            NumberTest[] tests = [.. Enumerable.Range(0, random.Next(1, 3)).Select(_ => RandomTest(random)).Distinct()];
            Dfa numbers = NumberAutomata.Of(tests, ConstraintBudget.Unbounded());
            for (int i = 0; i < 200; i++)
            {
                string text = RandomNumber(random, tests);
                (BigInteger value, BigInteger unit) = Exact(text);
                bool holds = tests.All(test => Holds(test, text, value, unit));
                bool accepted = numbers.Accepts(text);
                string what = $"{text} under {string.Join(" and ", (object[])tests)}";
                Assert.True(holds || !accepted, what + " is no member");
                Assert.True(accepted || !holds || !IsCommon(text, tests), what + " is a member");
            }
        }
    }

    [Theory]
    [InlineData("""{"type":"integer"}""", "1|0|-0|1.0|-3.000|1e3|1E+3|1.5e1|2.50e2|0.0|0e-5", "1.5|1e-1|1.25e1|.5|1.|1e|01")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-04/schema#","type":"integer"}""", "1|-7|0", "1.0|1e3|1.5")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-04/schema#","type":"number","minimum":1,"exclusiveMinimum":true,"maximum":2}""", "2|1.5|2.0|1.1e0", "1|1.0|2.1|1e0")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-04/schema#","type":"number","minimum":1,"exclusiveMinimum":false}""", "1|1e0", "0.9")]
    [InlineData("""{"minimum":0,"maximum":1,"type":"number"}""", "1e-07|0.5|1.0|1e0|9.99e-1|0e9|1", "1.01|-1e-9|1e1|1.0001e0")]
    [InlineData("""{"exclusiveMinimum":1e2,"exclusiveMaximum":1.5e3,"type":"number"}""", "100.1|1.01e2|1499|1.4e+3", "100|1e2|1500|1.5e3|1.5e+03")]
    [InlineData("""{"multipleOf":0.01,"type":"number"}""", "0.01|1|1e3|1.5e-1|12.340|1e-2", "0.001|1e-3|1.25e-2")]
    [InlineData("""{"multipleOf":5}""", "10|1e1|-5.0|1.5e1|0|3e1", "1|1e0|1.2e1|2.5")]
    [InlineData("""{"enum":[1,2.50,1e2,-0.0]}""", "1|1.0|2.50|2.5|1e2|100|100.0|0|-0.0", "1.5|10|2|1e3")]
    [InlineData("""{"const":3.0}""", "3|3.0", "3.5|30")]
    [InlineData("""{"type":["integer","number"],"not":{"type":"integer"}}""", "1.5|1e-1|1.25e1", "1|1.0|1e3|1.5e1")]
    [InlineData("""{"type":"number"}""", "1e999|1E-999|0.10|-0e0", "+1|1e+|0x1|NaN")]
    public void NumbersMayBeWrittenInAnyForm(string schema, string valid, string invalid)
    {
        ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema);
        Assert.All(valid.Split('|'), text => Assert.True(ConstraintChecks.Accepts(constraint, text) && ConstraintChecks.AcceptsBytes(constraint, text), text));
        Assert.All(invalid.Split('|'), text => Assert.False(ConstraintChecks.Accepts(constraint, text) || ConstraintChecks.AcceptsBytes(constraint, text), text));
    }

    private static NumberTest RandomTest(Random random) => random.Next(5) switch
    {
        0 => new NumberTest(NumberTestKind.Integer, string.Empty, random.Next(3) == 0),
        1 => new NumberTest(NumberTestKind.AtLeast, s_bounds[random.Next(s_bounds.Length)], random.Next(2) == 0),
        2 => new NumberTest(NumberTestKind.MoreThan, s_bounds[random.Next(s_bounds.Length)], random.Next(2) == 0),
        3 => new NumberTest(NumberTestKind.OneOf, s_bounds[random.Next(s_bounds.Length)], Negative: true),
        _ => new NumberTest(NumberTestKind.MultipleOf, s_steps[random.Next(s_steps.Length)], random.Next(4) == 0),
    };

    // Often near a bound, or a multiple of a step.
    private static string RandomNumber(Random random, NumberTest[] tests)
    {
        string near = tests[random.Next(tests.Length)].Operand;
        double value = near.Length > 0 && random.Next(2) == 0
            ? double.Parse(near, CultureInfo.InvariantCulture) * random.Next(-3, 12) + (random.Next(3) == 0 ? random.Next(-2, 3) * 0.5 : 0)
            : Math.Round((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-2, 7)), random.Next(5));
        string text = random.Next(3) switch
        {
            0 => value.ToString("0.####", CultureInfo.InvariantCulture),
            1 => value.ToString("0.###e+0", CultureInfo.InvariantCulture).Replace("+", random.Next(2) == 0 ? "+" : string.Empty, StringComparison.Ordinal),
            _ => value.ToString("0.0##", CultureInfo.InvariantCulture) + new string('0', random.Next(3)),
        };
        return text;
    }

    // Whether the text is in a form that is promised: plain, or with one digit before the point, an exponent, and steps of few remainders.
    private static bool IsCommon(string text, NumberTest[] tests) => !text.Contains('e', StringComparison.Ordinal)
        || !tests.Any(test => test.Kind == NumberTestKind.MultipleOf && test.Operand == "97");

    private static bool Holds(NumberTest test, string text, BigInteger value, BigInteger unit)
    {
        (BigInteger operand, BigInteger operandUnit) = Exact(test.Operand.Length == 0 ? "1" : test.Operand);
        (BigInteger left, BigInteger right) = (value * operandUnit, operand * unit);
        return test.Negative != test.Kind switch
        {
            NumberTestKind.Integer => (value % unit).IsZero,
            NumberTestKind.AtLeast => left >= right,
            NumberTestKind.MoreThan => left > right,
            NumberTestKind.MultipleOf => (left % right).IsZero,
            NumberTestKind.OneOf => left == right,
            _ => !text.AsSpan().ContainsAny(".e"),
        };
    }

    // The value is a whole number of parts, of which a unit makes one.
    private static (BigInteger Value, BigInteger Unit) Exact(string text)
    {
        string[] halves = text.Split('e');
        int exponent = halves.Length > 1 ? int.Parse(halves[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : 0;
        string[] parts = halves[0].Split('.');
        BigInteger value = BigInteger.Parse(string.Concat(parts), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        exponent -= parts.Length > 1 ? parts[1].Length : 0;
        return exponent >= 0 ? (value * BigInteger.Pow(10, exponent), 1) : (value, BigInteger.Pow(10, -exponent));
    }
}
