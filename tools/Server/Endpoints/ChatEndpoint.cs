using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Requests;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal static class ChatEndpoint
{
    public static async Task RunAsync(RequestScope scope)
    {
        ChatRequest request;
        using (JsonDocument body = await scope.ReadBodyAsync().ConfigureAwait(false))
        {
            request = await ChatRequest.ReadAsync(body.RootElement, scope).ConfigureAwait(false);
        }
        GenerationOptions options = request.Talk.Generation;
        var writer = new ChatWriter(scope.ModelName, scope.Engine.Model.Tokenizer, options.Logprobs, request.IncludeUsage);
        scope.Record.Asked(options, request.Choices, writer.Id);
        Choice[] choices = [.. Enumerable.Range(0, request.Choices).Select(_ => new Choice())];
        if (request.IsStream)
        {
            await scope.StreamAsync(stream => StreamAsync(scope, request, choices, writer, stream), StreamErrors.WriteAsync).ConfigureAwait(false);
            return;
        }
        await foreach ((int index, GenerationUpdate update) in Updates(scope, request).ConfigureAwait(false))
        {
            choices[index].Take(update);
        }
        foreach (Choice choice in choices)
        {
            scope.Record.Add(choice.Usage!, choice.FinishName);
        }
        await scope.WriteAsync(json => writer.Write(json, choices)).ConfigureAwait(false);
    }

    private static async Task StreamAsync(RequestScope scope, ChatRequest request, Choice[] choices, ChatWriter writer, EventStream stream)
    {
        bool[] hasRole = new bool[choices.Length];
        await foreach ((int index, GenerationUpdate update) in Updates(scope, request).ConfigureAwait(false))
        {
            Choice choice = choices[index];
            int before = choice.Calls.Count;
            IReadOnlyList<IdentifiedCall> calls = choice.Take(update);
            if (!hasRole[index])
            {
                hasRole[index] = true;
                writer.WriteRole(stream.Begin(), index);
                stream.End();
            }
            if (update.Content.Length > 0 || calls.Count > 0 || Choice.LogprobOf(update) is not null)
            {
                writer.WriteDelta(stream.Begin(), index, update, calls, before);
                stream.End();
            }
            if (update.FinishReason is not null)
            {
                scope.Record.Add(choice.Usage!, choice.FinishName);
                writer.WriteFinish(stream.Begin(), index, choice.FinishName);
                stream.End();
            }
            await stream.SendAsync(scope.Cancellation).ConfigureAwait(false);
        }
        if (request.IncludeUsage)
        {
            writer.WriteUsage(stream.Begin(), choices);
            stream.End();
        }
        await stream.SendDoneAsync(scope.Cancellation).ConfigureAwait(false);
    }

    private static IAsyncEnumerable<(int Choice, GenerationUpdate Update)> Updates(RequestScope scope, ChatRequest request) =>
        Choices.RunAsync(scope, request.Choices, (choice, cancellation) => request.Talk.Answer(scope.Engine, choice, "messages", cancellation));
}
