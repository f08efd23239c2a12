using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Endpoints;

/// <summary><c>GET /openapi.json</c>: the addresses and fields, for programs. It is written by hand; a test compares it with what is taken.</summary>
internal static class OpenApiEndpoint
{
    public static async Task GetAsync(HttpContext context)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        using Stream document = typeof(OpenApiEndpoint).Assembly.GetManifestResourceStream("openapi.json")!;
        await document.CopyToAsync(context.Response.Body, context.RequestAborted).ConfigureAwait(false);
    }
}
