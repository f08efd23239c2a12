using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
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
        Counts counts = new();
        for (int round = 0; round < rounds; round++)
        {
            Random random = new(round);
            RandomSchemas schemas = new(random);
            string schema = schemas.Schema().ToJsonString();
            string document = string.Empty;
            try
            {
                Judge(round, schema, schemas, ref document, counts);
            }
            catch (Exception fault)
            {
                Assert.Fail($"round {round}: {schema} with {document}: {fault}");
            }
        }
        output.WriteLine($"{rounds} schemas: {counts.Compiled} compiled, {counts.Reasons.Values.Sum()} refused; "
            + $"{counts.Documents} documents, {counts.Walks} walks, {counts.Unjudged} beyond the validator");
        foreach ((string reason, int count) in counts.Reasons.OrderByDescending(entry => entry.Value).Take(12))
        {
            output.WriteLine($"{count} {reason}");
        }
        Assert.True(counts.Compiled > rounds / 2);
        Assert.True(counts.Unjudged <= Math.Max(counts.Walks / 10, 1), $"{counts.Unjudged} of {counts.Walks} walks were not judged.");
    }

    private static void Judge(int round, string schema, RandomSchemas schemas, ref string document, Counts counts)
    {
        SchemaOracle oracle = new(JsonElement.Parse(schema));
        ITokenConstraint? constraint = null;
        try
        {
            constraint = ConstraintChecks.Compiler.JsonSchema(schema);
            counts.Compiled++;
        }
        catch (ConstraintException error)
        {
            string reason = $"{error.Keyword}: {error.Reason}";
            counts.Reasons[reason] = counts.Reasons.GetValueOrDefault(reason) + 1;
            if (error is not { Keyword: "schema", Place: "#" })
            {
                return;
            }
        }
        SchemaWriter writer = new(JsonElement.Parse(schema));
        for (int i = 0; i < DocumentsPerSchema; i++)
        {
            counts.Documents++;
            document = writer.Write(JsonElement.Parse(schemas.Document()?.ToJsonString() ?? "null"));
            string? fault = oracle.Fault(document);
            // A schema that no value meets is refused as a whole; then no document may be valid.
            bool accepted = constraint is not null && ConstraintChecks.Accepts(constraint, document);
            Assert.True(accepted == (fault is null), $"It should be {(fault is null ? "accepted" : "refused")}: {fault}");
        }
        if (constraint is null)
        {
            return;
        }
        document = "(a walk)";
        RandomWalk walk = RandomWalk.Take(constraint, ConstraintChecks.Tokenizer, round, 40);
        document = walk.Text;
        counts.Walks++;
        Assert.True(walk.IsWhole, "It does not end.");
        if (!OracleLimits.CanJudge(document))
        {
            counts.Unjudged++;
            return;
        }
        string? wrong = oracle.Fault(document);
        Assert.True(wrong is null, $"It should not be written: {wrong}");
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
                ConstraintChecks.Compiler.JsonSchema(text).Allow(new TokenMask(ConstraintChecks.Tokenizer.VocabularySize));
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

    private sealed class Counts
    {
        public int Compiled { get; set; }

        public int Documents { get; set; }

        public int Walks { get; set; }

        public int Unjudged { get; set; }

        public Dictionary<string, int> Reasons { get; } = [];
    }
}
