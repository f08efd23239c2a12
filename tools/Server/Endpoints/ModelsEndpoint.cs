using System.Text.Json;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Serving;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{name}</c>.</summary>
internal static class ModelsEndpoint
{
    public static Task ListAsync(HttpContext context, ServerState state)
    {
        Llama4Engine engine = Ready(state);
        return JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "list"u8);
            json.WriteStartArray("data"u8);
            Write(json, state, engine);
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public static Task GetAsync(HttpContext context, ServerState state)
    {
        Llama4Engine engine = Ready(state);
        return (string?)context.Request.RouteValues["name"] == state.Options.ModelName
            ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, json => Write(json, state, engine))
            : throw new ApiException(ApiError.Invalid("model", $"There is no such model; this server has '{state.Options.ModelName}'.", "model_not_found", StatusCodes.Status404NotFound));
    }

    private static Llama4Engine Ready(ServerState state) => state.NotReady is ApiError notReady ? throw new ApiException(notReady) : state.Engine!;

    private static void Write(Utf8JsonWriter json, ServerState state, Llama4Engine engine)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, state.Options.ModelName);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, state.Created);
        json.WriteString("owned_by"u8, "llama4"u8);
        // As vLLM has it; and whether it takes pictures, for pages that ask.
        json.WriteNumber("max_model_len"u8, engine.MaxContext);
        json.WriteBoolean("vision"u8, engine.Model.HasVision);
        if (engine.Model.HasVision)
        {
            // How pictures are cut into tiles, for pages that show it.
            json.WriteStartObject("pictures"u8);
            json.WriteNumber("tile"u8, engine.Model.TileSize);
            json.WriteNumber("max_tiles"u8, engine.Model.MaxTiles);
            json.WriteBoolean("enlarge"u8, engine.Model.EnlargesPictures);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
