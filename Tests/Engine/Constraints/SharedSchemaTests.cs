using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>A fiftieth of the schemas from practice; <c>llama4 schemas</c> runs them all.</summary>
public class SharedSchemaTests(ITestOutputHelper output)
{
    [Fact]
    public void ValidInstancesPassAndInvalidOnesAreStopped()
    {
        (int kept, int refused) = (0, 0);
        List<string> faults = [];
        foreach (SharedSchemas.Row row in SharedSchemas.Read().Where((_, index) => index % 50 == 25))
        {
            try
            {
                SchemaWriter writer = new(row.Schema);
                foreach (bool space in (bool[])[false, true])
                {
                    ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(row.Schema, space);
                    faults.AddRange(row.Tests
                        .Select(test => (Text: writer.Write(test.Data, space), test.Valid))
                        .Where(test => ConstraintChecks.Accepts(constraint, test.Text) != test.Valid)
                        .Select(test => $"{row.Name} should {(test.Valid ? "accept" : "refuse")} {test.Text}"));
                }
                kept++;
            }
            catch (ConstraintException error)
            {
                Assert.StartsWith("#", error.Place, StringComparison.Ordinal);
                refused++;
            }
        }
        output.WriteLine($"{kept} kept to, {refused} refused");
        Assert.Empty(faults);
        Assert.True(kept >= 0.88 * (kept + refused));
    }
}
