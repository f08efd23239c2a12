using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Cli.Schemas;

/// <summary>Checks the schemas of a file, each with its instances written compactly and indented.</summary>
internal sealed class SchemaRun(string path, Llama4Tokenizer tokenizer, CommandConsole console)
{
    // So many rows run once before times are taken, so that they measure the code and not its compilation.
    private const int WarmUpRows = 100;
    private const int RowsBetweenReports = 200;

    // Every schema is seen once: keeping more would only give collections of garbage more to move.
    private static readonly ConstraintLimits s_limits = ConstraintLimits.Default with { MaxKeptConstraints = 1 };

    public SchemaReport Check(int threads, CancellationToken cancellation)
    {
        (string Name, JsonElement Row)[] rows = [.. Read()];
        Worker warmUp = new(tokenizer, new ConstraintCompiler(tokenizer, s_limits));
        foreach ((string name, JsonElement row) in rows.Take(WarmUpRows))
        {
            cancellation.ThrowIfCancellationRequested();
            warmUp.Check(row, name);
        }
        ConstraintCompiler compiler = new(tokenizer, s_limits);
        SchemaRow[] verdicts = new SchemaRow[rows.Length];
        TimeSamples mask = new();
        TimeSamples compile = new();
        int next = -1;
        Parallel.For(
            0,
            threads,
            new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation },
            _ =>
            {
                Worker worker = new(tokenizer, compiler);
                for (int index = Interlocked.Increment(ref next); index < rows.Length; index = Interlocked.Increment(ref next))
                {
                    cancellation.ThrowIfCancellationRequested();
                    verdicts[index] = worker.Check(rows[index].Row, rows[index].Name);
                    if (console.ErrorIsTerminal && (index + 1) % RowsBetweenReports == 0)
                    {
                        console.Error.WriteLine($"{index + 1} of {rows.Length} schemas");
                    }
                }
                lock (mask)
                {
                    mask.Add(worker.Mask);
                    compile.Add(worker.Compile);
                }
            });
        return new SchemaReport(verdicts, mask, compile, tokenizer.VocabularySize, threads);
    }

    private IEnumerable<(string, JsonElement)> Read()
    {
        int line = 0;
        foreach (string text in File.ReadLines(path))
        {
            line++;
            if (!string.IsNullOrWhiteSpace(text))
            {
                yield return ReadRow(text, line);
            }
        }
    }

    private (string, JsonElement) ReadRow(string text, int line)
    {
        try
        {
            JsonElement row = JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = 1000 });
            bool whole = row.ValueKind == JsonValueKind.Object && row.TryGetProperty("schema", out _)
                && row.TryGetProperty("tests", out JsonElement tests) && tests.ValueKind == JsonValueKind.Array
                && tests.EnumerateArray().All(test => test.ValueKind == JsonValueKind.Object && test.TryGetProperty("data", out _)
                    && test.TryGetProperty("valid", out JsonElement valid) && valid.ValueKind is JsonValueKind.True or JsonValueKind.False);
            bool named = row.ValueKind == JsonValueKind.Object && row.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String;
            return !whole ? throw JsonLines.Fault(path, line, "has no schema, or no tests of valid and data.")
                : (named ? row.GetProperty("name").GetString()! : $"line {line}", row);
        }
        catch (JsonException error)
        {
            throw JsonLines.Fault(path, line, $"is not valid JSON: {error.Message}");
        }
        catch (InvalidOperationException error)
        {
            // Within the schema half a surrogate pair is the schema's fault, and a row of the report.
            throw JsonLines.Fault(path, line, $"has a name or a key that is no text: {error.Message}");
        }
    }

    /// <summary>One thread's share.</summary>
    private sealed class Worker(Llama4Tokenizer tokenizer, ConstraintCompiler compiler)
    {
        private readonly TokenMask _mask = new(tokenizer.VocabularySize);

        public TimeSamples Mask { get; } = new();

        public TimeSamples Compile { get; } = new();

        public SchemaRow Check(JsonElement row, string name)
        {
            JsonElement schema = row.GetProperty("schema");
            try
            {
                // One constraint after the other, as a request has one: two would give collections of garbage twice as much to move.
                SchemaWriter writer = new(schema);
                SchemaRow verdict = CheckInstances(row, new SchemaRow(name, SchemaStatus.Ok), writer, CompileTimed(schema), indented: false);
                return CheckInstances(row, verdict, writer, compiler.JsonSchema(schema, true), indented: true);
            }
            catch (ConstraintException refusal)
            {
                return new SchemaRow(name, SchemaStatus.Refused, refusal.Keyword, refusal.Place, refusal.Reason);
            }
            catch (Exception fault) when (fault is not (OutOfMemoryException or OperationCanceledException))
            {
                return new SchemaRow(name, SchemaStatus.Error, Detail: $"{fault.GetType().Name}: {fault.Message}");
            }
        }

        private ITokenConstraint CompileTimed(JsonElement schema)
        {
            long start = Stopwatch.GetTimestamp();
            ITokenConstraint constraint = compiler.JsonSchema(schema, false);
            constraint.Fork().Allow(_mask);
            Compile.Add(Stopwatch.GetTimestamp() - start);
            return constraint;
        }

        private SchemaRow CheckInstances(JsonElement row, SchemaRow verdict, SchemaWriter writer, ITokenConstraint constraint, bool indented)
        {
            int index = 0;
            foreach (JsonElement test in row.GetProperty("tests").EnumerateArray())
            {
                bool valid = test.GetProperty("valid").GetBoolean();
                int stopped = Run(constraint.Fork(), tokenizer.Encode(writer.Write(test.GetProperty("data"), indented)), out int[] ids);
                bool passed = stopped < 0;
                // One that is let through weighs more than one that is stopped.
                if (passed != valid && (passed || verdict.Status == SchemaStatus.Ok))
                {
                    string place = passed ? "let through" : $"stopped after {ReportJson.Quote(tokenizer.Decode(ids.AsSpan(0, stopped)))}";
                    verdict = verdict with
                    {
                        Status = passed ? SchemaStatus.InvalidPassed : SchemaStatus.ValidStopped,
                        Detail = $"instance {index}{(indented ? ", indented" : string.Empty)}, {place}",
                    };
                }
                index++;
            }
            return verdict;
        }

        // The index of the token that is not allowed, the number of tokens if the end is not, −1 if all is.
        private int Run(ITokenConstraint state, int[] tokens, out int[] ids)
        {
            ids = tokens;
            for (int i = 0; i < tokens.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                state.Allow(_mask);
                Mask.Add(Stopwatch.GetTimestamp() - start);
                if (!_mask[tokens[i]])
                {
                    return i;
                }
                state.Accept(tokens[i]);
            }
            return state.MayEnd ? -1 : tokens.Length;
        }
    }
}
