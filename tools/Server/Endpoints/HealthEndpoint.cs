using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Serving;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>GET /health/live</c>: the process answers. <c>GET /health/ready</c>: requests would be served.</summary>
internal static class HealthEndpoint
{
    public static Task LiveAsync(HttpContext context) => OkAsync(context);

    public static Task ReadyAsync(HttpContext context, ServerState state) =>
        state.NotReady is ApiError notReady ? throw new ApiException(notReady) : OkAsync(context);

    private static Task OkAsync(HttpContext context) => JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteString("status"u8, "ok"u8);
        json.WriteEndObject();
    });
}
