using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Requests;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>POST /v1/completions</c>.</summary>
internal static class CompletionsEndpoint
{
    public static async Task RunAsync(RequestScope scope)
    {
        scope.Record.PromptField = "prompt";
        CompletionRequest request;
        using (JsonDocument body = await scope.ReadBodyAsync().ConfigureAwait(false))
        {
            request = CompletionRequest.Read(body.RootElement, scope);
        }
        var writer = new CompletionWriter(scope.ModelName, scope.Engine.Model.Tokenizer, request.Generation.Logprobs, request.PerPrompt);
        Choice[] choices = [.. Enumerable.Range(0, request.Prompts.Count * request.PerPrompt).Select(_ => new Choice())];
        scope.Record.Asked(request.Generation, choices.Length, writer.Id);
        if (request.IsStream)
        {
            await scope.StreamAsync(stream => StreamAsync(scope, request, choices, writer, stream), StreamErrors.WriteAsync).ConfigureAwait(false);
            return;
        }
        await foreach ((int index, GenerationUpdate update) in Updates(scope, request, choices.Length).ConfigureAwait(false))
        {
            choices[index].Take(update);
        }
        foreach (Choice choice in choices)
        {
            scope.Record.Add(choice.Usage!, choice.FinishName);
        }
        await scope.WriteAsync(json => writer.Write(json, choices)).ConfigureAwait(false);
    }

    private static async Task StreamAsync(RequestScope scope, CompletionRequest request, Choice[] choices, CompletionWriter writer, EventStream stream)
    {
        int[] offsets = new int[choices.Length];
        await foreach ((int index, GenerationUpdate update) in Updates(scope, request, choices.Length).ConfigureAwait(false))
        {
            Choice choice = choices[index];
            choice.Take(update);
            if (update.Content.Length > 0 || Choice.LogprobOf(update) is not null || update.FinishReason is not null)
            {
                writer.WriteChunk(stream.Begin(), index, update, offsets[index], update.FinishReason is null ? null : choice.FinishName, request.IncludeUsage);
                stream.End();
            }
            offsets[index] += update.Content.Length;
            if (update.FinishReason is not null)
            {
                scope.Record.Add(choice.Usage!, choice.FinishName);
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

    private static IAsyncEnumerable<(int Choice, GenerationUpdate Update)> Updates(RequestScope scope, CompletionRequest request, int choices) =>
        Choices.RunAsync(scope, choices, (choice, cancellation) => scope.Engine.GenerateAsync(
            new GenerationRequest(
                request.Prompts[choice / request.PerPrompt],
                request.Generation with { Seed = request.Generation.Seed is ulong seed ? unchecked(seed + (ulong)(choice % request.PerPrompt)) : null })
            {
                Salt = scope.Salt,
            },
            cancellation));
}
