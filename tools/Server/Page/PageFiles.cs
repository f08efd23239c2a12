using System.Collections.Frozen;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Llama4Kernels.Server.Page;

/// <summary>
/// The page to try the model in a browser: files of this assembly, and nothing from anywhere else. They need no key, as there is
/// nothing in them that is not public; what the page asks of the API does.
/// </summary>
internal static class PageFiles
{
    /// <summary>
    /// The page loads its own files and asks this server, and that is all a browser lets it do; text never becomes markup, and no
    /// other page frames it.
    /// </summary>
    public const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private const string Prefix = "page/";

    private static readonly FrozenDictionary<string, PageFile> s_files = Load();

    /// <summary>The addresses of the files; the page's own is <c>/</c>.</summary>
    public static IEnumerable<string> Paths => s_files.Keys;

    /// <summary>Answers a request for a file; others go on.</summary>
    public static Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        bool isHead = HttpMethods.IsHead(context.Request.Method);
        return (isHead || HttpMethods.IsGet(context.Request.Method)) && s_files.TryGetValue(context.Request.Path.Value ?? string.Empty, out PageFile? file)
            ? WriteAsync(context, file, isHead)
            : next(context);
    }

    private static Task WriteAsync(HttpContext context, PageFile file, bool isHead)
    {
        HttpResponse response = context.Response;
        IHeaderDictionary headers = response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
        // A newer program has a newer page: browsers ask each time, and are told that theirs is the same.
        headers.CacheControl = "no-cache";
        headers.ETag = file.Tag;
        if (IsKnown(context.Request.Headers.IfNoneMatch, file.Tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }
        response.ContentType = file.Type;
        response.ContentLength = file.Bytes.Length;
        return isHead ? Task.CompletedTask : response.Body.WriteAsync(file.Bytes, 0, file.Bytes.Length, context.RequestAborted);
    }

    private static bool IsKnown(StringValues known, string tag) =>
        known.Any(line => line is not null && line.Split(',').Any(one => one.Trim() is "*" || one.Trim() == tag));

    private static FrozenDictionary<string, PageFile> Load()
    {
        Assembly assembly = typeof(PageFiles).Assembly;
        return assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).ToFrozenDictionary(
            name => name[Prefix.Length..] is var file && file == "index.html" ? "/" : $"/{file}",
            name =>
            {
                using Stream stream = assembly.GetManifestResourceStream(name)!;
                byte[] bytes = new byte[stream.Length];
                stream.ReadExactly(bytes);
                return new PageFile(bytes, TypeOf(name), $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..32]}\"");
            },
            StringComparer.Ordinal);
    }

    private static string TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        string other => throw new InvalidOperationException($"The page has a file of a kind that has no media type: {other}."),
    };

    private sealed record PageFile(byte[] Bytes, string Type, string Tag);
}
