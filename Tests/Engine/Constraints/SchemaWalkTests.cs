using System.Text.Json;
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

    [Fact]
    public void ChoicesAmongAllowedTokensEndInValidDocuments()
    {
        IReadOnlyList<SharedSchemas.Row> rows = SharedSchemas.Read();
        long goal = Fuzzing.Iterations(Schemas * ChoicesPerSchema / 50);
        List<string> faults = [];
        (long choices, int schemas, int documents) = (0, 0, 0);
        // Evenly over the file, whatever the number; several rounds differ in their seeds.
        for (int at = 0; choices < goal; at++)
        {
            SharedSchemas.Row row = rows[(int)(at * 997L % rows.Count)];
            if (TryPrepare(row, out Constraint? constraint, out SchemaOracle? oracle))
            {
                schemas++;
                for (int seed = at * 100, before = (int)choices; choices - before < ChoicesPerSchema && seed % 100 < 40; seed++)
                {
                    RandomWalk walk = RandomWalk.Take(constraint!, ConstraintChecks.Tokenizer, seed, ChoicesPerSchema);
                    choices += Math.Max(walk.Choices, 1);
                    documents++;
                    string? fault = !walk.IsWhole ? "does not end" : Fault(oracle!, walk.Text);
                    if (fault is not null && !OracleFaults.IsKnown(row.Name, fault))
                    {
                        faults.Add($"{row.Name}, seed {seed}: {fault}: {(walk.Text.Length > 600 ? walk.Text[..600] : walk.Text)}");
                    }
                }
            }
        }
        output.WriteLine($"{choices} choices over {schemas} schemas, {documents} documents, {faults.Count} faults");
        Assert.True(faults.Count == 0, $"{faults.Count} of {documents}\n" + string.Join('\n', faults.Take(40)));
    }

    private static bool TryPrepare(SharedSchemas.Row row, out Constraint? constraint, out SchemaOracle? oracle)
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

    private static string? Fault(SchemaOracle oracle, string document)
    {
        try
        {
            return oracle.Fault(document);
        }
        catch (JsonException error)
        {
            return "is not JSON: " + error.Message;
        }
    }
}
