using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// Whatever is chosen among allowed tokens ends in a document that an independent validator accepts. A fiftieth of the 100,000 choices
/// over 500 schemas that <c>LLAMA4_FUZZ=50</c> makes.
/// </summary>
public class SchemaWalkTests(ITestOutputHelper output)
{
    private const int Schemas = 500;
    private const int ChoicesPerSchema = 200;
    private const int MostWalksPerSchema = 40;

    [Fact]
    public void ChoicesAmongAllowedTokensEndInValidDocuments()
    {
        IReadOnlyList<SharedSchemas.Row> rows = SharedSchemas.Read();
        (long goal, long goalSchemas) = (Fuzzing.Iterations(Schemas * ChoicesPerSchema / 50), Fuzzing.Iterations(Schemas / 50));
        List<string> faults = [];
        (long choices, int schemas, int documents, int unjudged) = (0, 0, 0, 0);
        // Evenly over the file, whatever the number; several rounds differ in their seeds.
        for (int at = 0; choices < goal || schemas < goalSchemas; at++)
        {
            SharedSchemas.Row row = rows[(int)(at * 997L % rows.Count)];
            if (!TryPrepare(row, out ITokenConstraint? constraint, out SchemaOracle? oracle))
            {
                continue;
            }
            schemas++;
            int left = ChoicesPerSchema;
            for (int walks = 0; left > 0 && walks < MostWalksPerSchema; walks++)
            {
                int seed = (at * 100) + walks;
                RandomWalk walk = RandomWalk.Take(constraint!, ConstraintChecks.Tokenizer, seed, left);
                left -= Math.Max(walk.Choices, 1);
                choices += walk.Choices;
                documents++;
                string? fault = walk.IsWhole ? Fault(oracle!, walk.Text, ref unjudged) : "does not end";
                if (fault is not null)
                {
                    faults.Add($"{row.Name}, seed {seed}: {fault}: {(walk.Text.Length > 600 ? walk.Text[..600] : walk.Text)}");
                }
            }
        }
        output.WriteLine($"{choices} choices over {schemas} schemas, {documents} documents, {unjudged} beyond the validator, {faults.Count} faults");
        Assert.True(faults.Count == 0, $"{faults.Count} of {documents}\n" + string.Join('\n', faults.Take(40)));
        Assert.True(unjudged <= documents / 10, $"{unjudged} of {documents} documents were not judged.");
    }

    private static bool TryPrepare(SharedSchemas.Row row, out ITokenConstraint? constraint, out SchemaOracle? oracle)
    {
        (constraint, oracle) = (null, null);
        try
        {
            constraint = ConstraintChecks.Compiler.JsonSchema(row.Schema);
        }
        catch (ConstraintException)
        {
            return false;
        }
        try
        {
            oracle = new SchemaOracle(row.Schema);
            return true;
        }
        catch (Exception fault) when (fault is Json.Schema.JsonSchemaException or Json.Schema.RefResolutionException or JsonException or ArgumentException or InvalidOperationException)
        {
            // The validator does not take it; its own instances show that the constraint does.
            return false;
        }
    }

    private static string? Fault(SchemaOracle oracle, string document, ref int unjudged)
    {
        try
        {
            if (!OracleLimits.CanJudge(document))
            {
                unjudged++;
                return null;
            }
            return oracle.Fault(document) is string fault && !OracleFaults.Explain(oracle, document, fault) ? fault : null;
        }
        catch (JsonException error)
        {
            return "is not JSON: " + error.Message;
        }
    }
}
