using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Requests that the sample model answers well.</summary>
internal static class Bodies
{
    public const string Question = "How many experts does Scout have?";

    /// <summary>A chat of one message, with more fields.</summary>
    public static string Chat(string question = Question, string more = "\"temperature\": 0") =>
        $$$"""{"model": "sample-model", "messages": [{"role": "user", "content": {{{JsonValue.Create(question)!.ToJsonString()}}}}], {{{more}}}}""";

    /// <summary>The tool that the sample model calls.</summary>
    public const string TimeTool = """{"type": "function", "function": {"name": "get_time", "description": "Time in a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}""";

    /// <summary>A question that it answers with a call.</summary>
    public static string Tools(string more) => Chat("What time is it in Oslo?", $"\"temperature\": 0, \"tools\": [{TimeTool}], {more}");

    /// <summary>A picture of the sample model's tests as a data URL.</summary>
    public static string Picture(string file) => "data:image/png;base64," + Convert.ToBase64String(File.ReadAllBytes(GoldenFiles.Path("nano", "pictures", file)));

    /// <summary>A question about a picture.</summary>
    public static string AboutPicture(string url, string more = "\"temperature\": 0") =>
        $$$"""{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{{url}}}"}}, {"type": "text", "text": "What is in the picture?"}]}], {{{more}}}}""";
}
