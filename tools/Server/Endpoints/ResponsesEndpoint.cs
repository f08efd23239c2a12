using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Requests;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>POST /v1/responses</c>.</summary>
internal static class ResponsesEndpoint
{
    private const string Field = "input";

    public static async Task RunAsync(RequestScope scope)
    {
        scope.Record.PromptField = Field;
        ResponseRequest request;
        using (JsonDocument body = await scope.ReadBodyAsync().ConfigureAwait(false))
        {
            request = await ResponseRequest.ReadAsync(body.RootElement, scope).ConfigureAwait(false);
        }
        var writer = new ResponseWriter(scope.ModelName, scope.Engine.Model.Tokenizer, request);
        scope.Record.Asked(request.Talk.Generation, 1, writer.Id);
        if (request.IsStream)
        {
            await scope.StreamAsync(stream => StreamAsync(scope, request, writer, stream), writer.FailAsync).ConfigureAwait(false);
            return;
        }
        await foreach ((_, GenerationUpdate update) in Updates(scope, request).ConfigureAwait(false))
        {
            writer.Take(update, null);
        }
        scope.Record.Add(writer.Choice.Usage!, writer.Choice.FinishName);
        await scope.WriteAsync(writer.Write).ConfigureAwait(false);
    }

    private static async Task StreamAsync(RequestScope scope, ResponseRequest request, ResponseWriter writer, EventStream stream)
    {
        bool hasBegun = false;
        await foreach ((_, GenerationUpdate update) in Updates(scope, request).ConfigureAwait(false))
        {
            if (!hasBegun)
            {
                hasBegun = true;
                writer.Begin(stream);
            }
            writer.Take(update, stream);
            if (update.FinishReason is not null)
            {
                scope.Record.Add(writer.Choice.Usage!, writer.Choice.FinishName);
            }
            await stream.SendAsync(scope.Cancellation).ConfigureAwait(false);
        }
    }

    private static IAsyncEnumerable<(int Choice, GenerationUpdate Update)> Updates(RequestScope scope, ResponseRequest request) =>
        Choices.RunAsync(scope, 1, (choice, cancellation) => request.Talk.Answer(scope.Engine, choice, Field, cancellation));
}
