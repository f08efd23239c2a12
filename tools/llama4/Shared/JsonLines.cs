using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Interop.Files;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Reads and writes files of one JSON object a line; every fault names the file and the line.</summary>
internal static class JsonLines
{
    /// <summary>The objects of a file with their line numbers; empty lines are skipped.</summary>
    /// <exception cref="ModelFormatException">A line is not a JSON object.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<(int Line, JsonObject Row)> Read(string path)
    {
        int line = 0;
        foreach (string text in File.ReadLines(path))
        {
            line++;
            if (string.IsNullOrWhiteSpace(text))
            {
                continue;
            }
            JsonNode? node;
            try
            {
                JsonText.Check(text);
                node = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
            }
            catch (JsonException e)
            {
                throw Fault(path, line, $"is not valid JSON: {e.Message}");
            }
            yield return (line, node as JsonObject ?? throw Fault(path, line, "is not a JSON object."));
        }
    }

    /// <summary>Runs a conversion of a row; what the row has of the wrong type becomes a fault that names its line.</summary>
    public static T Convert<T>(string path, int line, JsonObject row, Func<JsonObject, T> convert)
    {
        try
        {
            return convert(row);
        }
        catch (Exception e) when (IsRowFault(e))
        {
            throw Fault(path, line, FailureReport.MessageOf(e));
        }
    }

    /// <summary>The same for work that takes its time.</summary>
    public static async Task<T> ConvertAsync<T>(string path, int line, JsonObject row, Func<JsonObject, Task<T>> convert)
    {
        try
        {
            return await convert(row).ConfigureAwait(false);
        }
        catch (Exception e) when (IsRowFault(e))
        {
            throw Fault(path, line, FailureReport.MessageOf(e));
        }
    }

    private static bool IsRowFault(Exception e) =>
        e is InvalidOperationException or FormatException or JsonException or OverflowException
        || (CommandLine.IsExpected(e) && e is not (OutputClosedException or OutOfMemoryException));

    /// <summary>Converts a file of rows row by row.</summary>
    /// <param name="path">The rows.</param>
    /// <param name="output">The file for the converted rows; null prints them.</param>
    /// <param name="convert">The conversion; its failure names the line.</param>
    /// <param name="console">Where to print.</param>
    /// <param name="options">How to write the rows.</param>
    public static void Convert(string path, string? output, Func<JsonObject, JsonObject> convert, CommandConsole console, JsonSerializerOptions? options = null)
    {
        Write(output, console, writer =>
        {
            foreach ((int line, JsonObject row) in Read(path))
            {
                writer.WriteLine(Convert(path, line, row, convert).ToJsonString(options));
            }
        });
    }

    /// <summary>Writes to a file, which appears once it is complete, or prints.</summary>
    public static void Write(string? output, CommandConsole console, Action<TextWriter> write)
    {
        if (output is null)
        {
            write(console.Out);
        }
        else
        {
            OutputFile.Write(output, write);
        }
    }

    public static ModelFormatException Fault(string path, int line, string reason) => new(path, $"line {line}", reason);

    /// <summary>An array of numbers of a row.</summary>
    public static int[] Integers(JsonNode node) => [.. node.AsArray().Select(item => Required(item).GetValue<int>())];

    /// <summary>An array of strings of a row.</summary>
    public static string[] Texts(JsonNode node) => [.. node.AsArray().Select(item => Required(item).GetValue<string>())];

    /// <summary>A field of a row that must be there.</summary>
    public static JsonNode Field(JsonObject row, string name) =>
        row[name] ?? throw new FormatException($"the field '{name}' is missing.");

    public static JsonArray Array(IEnumerable<int> values) => new([.. values.Select(JsonNode? (value) => JsonValue.Create(value))]);

    /// <summary>A value that is not null.</summary>
    public static JsonNode Required(JsonNode? node) => node ?? throw new FormatException("null stands where a value is needed.");
}
