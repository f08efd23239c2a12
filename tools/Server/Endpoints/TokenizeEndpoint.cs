using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Requests;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>POST /tokenize</c> and <c>POST /detokenize</c>, as vLLM has them.</summary>
internal static class TokenizeEndpoint
{
    /// <summary>The ids of a text, or of a chat as it is before it is answered.</summary>
    public static async Task TokenizeAsync(RequestScope scope)
    {
        using JsonDocument body = await scope.ReadBodyAsync().ConfigureAwait(false);
        Fields fields = RequestFields.Read(body.RootElement, RequestFields.Tokenize);
        scope.CheckModel(fields);
        Llama4Engine engine = scope.Engine;
        int[] ids;
        if (fields.Any("messages") is null)
        {
            ids = engine.Model.Tokenizer.Encode(fields.NeedText("prompt"), bos: fields.Flag("add_special_tokens", usual: true));
        }
        else if (fields.Any("prompt") is not null)
        {
            throw ApiException.Invalid("messages", "Give 'prompt' or 'messages', not both.");
        }
        else
        {
            IReadOnlyList<ChatMessage> messages = await new ChatMessages(engine.Model, scope.Pictures(), scope.Limits).ReadAsync(fields, scope.Cancellation).ConfigureAwait(false);
            ids = ErrorTable.At("messages", () => engine.Model.EncodePrompt(messages)).Ids.ToArray();
        }
        await scope.WriteAsync(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count"u8, ids.Length);
            json.WriteNumber("max_model_len"u8, engine.MaxContext);
            json.WriteStartArray("tokens"u8);
            foreach (int id in ids)
            {
                json.WriteNumberValue(id);
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    /// <summary>The text of ids.</summary>
    public static async Task DetokenizeAsync(RequestScope scope)
    {
        using JsonDocument body = await scope.ReadBodyAsync().ConfigureAwait(false);
        Fields fields = RequestFields.Read(body.RootElement, RequestFields.Detokenize);
        scope.CheckModel(fields);
        int vocabulary = scope.Engine.Model.Tokenizer.VocabularySize;
        int[] ids = [.. Fields.ListOf(fields.NeedAny("tokens"), "tokens", int.MaxValue).Select(item => (int)Fields.IntegerOf(item.Item, item.Path, 0, vocabulary - 1))];
        string text = scope.Engine.Model.Tokenizer.Decode(ids);
        await scope.WriteAsync(json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt"u8, text);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }
}
