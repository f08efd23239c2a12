using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Schemas that nobody would write, judged beside JsonSchema.Net. <c>LLAMA4_FUZZ=1000</c> tries a hundred thousand.</summary>
public class SchemaFuzzTests(ITestOutputHelper output)
{
    private const int DocumentsPerSchema = 12;

    [Fact]
    public void ConstraintsJudgeAsTheValidatorDoes()
    {
        long rounds = Fuzzing.Iterations(100);
        (int compiled, int refused, int documents, int walks, int unjudged) = (0, 0, 0, 0, 0);
        Dictionary<string, int> reasons = [];
        for (int round = 0; round < rounds; round++)
        {
            Random random = new(round);
            RandomSchemas schemas = new(random);
            string schema = schemas.Schema().ToJsonString();
            SchemaOracle oracle = new(JsonElement.Parse(schema));
            Constraint? constraint = null;
            try
            {
                constraint = ConstraintChecks.Compiler.JsonSchema(schema);
                compiled++;
            }
            catch (ConstraintException error)
            {
                refused++;
                string reason = $"{error.Keyword}: {error.Reason}";
                reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
                if (error is not { Keyword: "schema", Place: "#" })
                {
                    continue;
                }
            }
            SchemaWriter writer = new(JsonElement.Parse(schema));
            for (int i = 0; i < DocumentsPerSchema; i++, documents++)
            {
                string text = writer.Write(JsonElement.Parse(schemas.Document()?.ToJsonString() ?? "null"));
                string? fault = oracle.Fault(text);
                // A schema that no value meets is refused as a whole; then no document may be valid.
                bool accepted = constraint is not null && ConstraintChecks.Accepts(constraint, text);
                Assert.True(accepted == (fault is null), $"round {round}: {schema} should {(fault is null ? "accept" : "refuse")} {text}: {fault}");
            }
            if (constraint is not null)
            {
                RandomWalk walk = RandomWalk.Take(constraint, ConstraintChecks.Tokenizer, round, 40);
                walks++;
                Assert.True(walk.IsWhole, $"round {round}: {schema} does not end after {walk.Text}");
                if (!OracleLimits.CanJudge(walk.Text))
                {
                    unjudged++;
                    continue;
                }
                Assert.True(oracle.Fault(walk.Text) is null, $"round {round}: {schema} should not write {walk.Text}: {oracle.Fault(walk.Text)}");
            }
        }
        output.WriteLine($"{rounds} schemas: {compiled} compiled, {refused} refused; {documents} documents, {walks} walks, {unjudged} beyond the validator");
        foreach ((string reason, int count) in reasons.OrderByDescending(entry => entry.Value).Take(12))
        {
            output.WriteLine($"{count} {reason}");
        }
        Assert.True(compiled > rounds / 2);
        Assert.True(unjudged <= Math.Max(walks / 10, 1), $"{unjudged} of {walks} walks were not judged.");
    }

    /// <summary>Whatever stands where a keyword's value should: a constraint or its own error.</summary>
    [Fact]
    public void MalformedSchemasAreErrorsAndNothingElse()
    {
        for (int round = 0; round < Fuzzing.Iterations(300); round++)
        {
            Random random = new(round);
            RandomSchemas schemas = new(random);
            JsonObject schema = schemas.Schema();
            Break(schema, schemas, random);
            string text = schema.ToJsonString();
            // Also what is no JSON any more.
            text = random.Next(4) == 0 ? text.Remove(random.Next(text.Length), 1) : text;
            try
            {
                ConstraintChecks.Compiler.JsonSchema(text).Start().Allow(new TokenMask(ConstraintChecks.Tokenizer.VocabularySize));
            }
            catch (ConstraintException error)
            {
                Assert.NotEqual(string.Empty, error.Reason);
            }
            catch (Exception fault) when (fault is not OutOfMemoryException)
            {
                Assert.Fail($"round {round}: {text}: {fault}");
            }
        }
    }

    private static void Break(JsonObject schema, RandomSchemas schemas, Random random)
    {
        foreach ((string keyword, JsonNode? value) in schema.ToArray())
        {
            if (random.Next(4) == 0)
            {
                schema[keyword] = schemas.Document();
            }
            else if (value is JsonObject inner)
            {
                Break(inner, schemas, random);
            }
        }
    }
}
