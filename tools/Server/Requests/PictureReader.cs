using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>Reads pictures from data URLs. Nothing is ever fetched: an address could name what only this machine reaches.</summary>
/// <param name="model">The model that sees them.</param>
/// <param name="limits">How many, and of what size.</param>
/// <param name="decoding">Held while one is decoded, which takes memory.</param>
internal sealed class PictureReader(Llama4Model model, ServerLimits limits, SemaphoreSlim decoding)
{
    private int _count;

    /// <summary>The picture of an <c>image_url</c>.</summary>
    /// <param name="url">A data URL.</param>
    /// <param name="path">Its field.</param>
    /// <param name="cancellation">Gives it up.</param>
    /// <exception cref="ApiException">It is no data URL, no picture, or one too many.</exception>
    public async Task<ImageContent> ReadAsync(string url, string path, CancellationToken cancellation)
    {
        if (++_count > limits.MaxPictures)
        {
            throw ApiException.Invalid(path, $"A request may have {limits.MaxPictures} pictures.", "too_many_items");
        }
        byte[] file = BytesOf(url, path);
        await decoding.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return ErrorTable.At(path, () => model.LoadPicture(file, limits.MaxPicturePixels));
        }
        finally
        {
            decoding.Release();
        }
    }

    /// <summary>What of a picture's part changes nothing: the model sees every picture in the tiles that suit it.</summary>
    public static void CheckDetail(Fields part)
    {
        if (part.Text("detail") is string detail and not ("auto" or "low" or "high"))
        {
            throw ApiException.Invalid(part.At("detail"), $"'{part.At("detail")}' must be auto, low or high, not '{(detail.Length > 20 ? detail[..20] : detail)}'.");
        }
    }

    private static byte[] BytesOf(string url, string path)
    {
        const string Scheme = "data:", Encoding = ";base64";
        int comma = url.IndexOf(',');
        if (!url.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw ApiException.Invalid(path, "A picture must be given as a data URL (data:image/png;base64,…): this server fetches no addresses.", "unsupported_image_url");
        }
        if (comma < 0 || !url.AsSpan(0, comma).EndsWith(Encoding, StringComparison.OrdinalIgnoreCase))
        {
            throw ApiException.Invalid(path, "A data URL must have its data in base64: data:image/png;base64,…", "invalid_image");
        }
        if (!url.AsSpan(Scheme.Length).StartsWith("image/", StringComparison.OrdinalIgnoreCase))
        {
            throw ApiException.Invalid(path, "The data URL's type is no picture's: image/png, image/jpeg, image/webp, image/gif or image/bmp.", "invalid_image");
        }
        ReadOnlySpan<char> data = url.AsSpan(comma + 1);
        if (!Base64.IsValid(data, out int bytes))
        {
            throw ApiException.Invalid(path, "The data URL's base64 is malformed.", "invalid_image");
        }
        byte[] file = new byte[bytes];
        return Convert.TryFromBase64Chars(data, file, out int written) && written == bytes
            ? file
            : throw ApiException.Invalid(path, "The data URL's base64 is malformed.", "invalid_image");
    }
}
