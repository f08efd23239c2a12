using System.Text.Json;
using Llama4Kernels.Interop.Files;
using Llama4Kernels.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Requests;

/// <summary>Reads the JSON of a request.</summary>
internal static class RequestBody
{
    /// <summary>Levels of nesting.</summary>
    public const int MaxDepth = 64;

    /// <summary>The body. Its size is bounded by the server, which never trusts what a header says of it.</summary>
    /// <exception cref="ApiException">It is not said to be JSON.</exception>
    /// <exception cref="JsonException">It is none: no UTF-8, halves of surrogate pairs, a key given twice, too deep.</exception>
    /// <exception cref="BadHttpRequestException">It is too large, or comes too slowly.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpContext context, CancellationToken cancellation)
    {
        // It also keeps pages of other origins out: a browser asks before it sends JSON to another place than where the page is from.
        if (!context.Request.HasJsonContentType())
        {
            throw new ApiException(ApiError.Invalid(null, "The body must be JSON: give the header 'Content-Type: application/json'.", "unsupported_media_type", StatusCodes.Status415UnsupportedMediaType));
        }
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, cancellation).ConfigureAwait(false);
        ReadOnlyMemory<byte> body = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        JsonText.Check(body.Span, MaxDepth);
        // The document keeps the buffer's memory.
        return JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
    }
}
