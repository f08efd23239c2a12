using System.Text.Json;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Answers;

/// <summary>The last event of a stream of completions that failed.</summary>
internal static class StreamErrors
{
    public static ValueTask WriteAsync(EventStream stream, ApiError error)
    {
        Utf8JsonWriter json = stream.Begin();
        json.WriteStartObject();
        JsonAnswer.WriteError(json, error);
        json.WriteEndObject();
        stream.End();
        return stream.SendAsync(CancellationToken.None);
    }
}
