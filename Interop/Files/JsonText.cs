using System.Text;
using System.Text.Json;

namespace Llama4Kernels.Interop.Files;

/// <summary>
/// The one check that comes before a JSON file is parsed. <c>"\ud800"</c> alone is JSON but half a surrogate pair and no text:
/// .NET parses it and throws when the string is read, or, where keys are compared, out of the middle of parsing.
/// </summary>
public static class JsonText
{
    /// <summary>Checks that every name and string is text.</summary>
    /// <param name="utf8">One JSON value.</param>
    /// <param name="maxDepth">Levels of nesting.</param>
    /// <exception cref="JsonException">It is not JSON, not UTF-8, or has an unpaired surrogate escape.</exception>
    public static void Check(ReadOnlySpan<byte> utf8, int maxDepth = 64)
    {
        if (!System.Text.Unicode.Utf8.IsValid(utf8))
        {
            throw new JsonException("it is not valid UTF-8.");
        }
        Utf8JsonReader reader = new(utf8, new JsonReaderOptions { MaxDepth = maxDepth });
        while (reader.Read())
        {
            if (!reader.ValueIsEscaped)
            {
                continue;
            }
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException e)
            {
                throw new JsonException($"the string at byte {reader.TokenStartIndex} contains an unpaired surrogate escape.", e);
            }
        }
    }

    /// <summary>Checks a text that has been decoded.</summary>
    /// <param name="text">One JSON value.</param>
    /// <exception cref="JsonException">As for the other overload.</exception>
    public static void Check(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Check(Encoding.UTF8.GetBytes(text));
    }
}
