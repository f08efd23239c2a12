using System.Text;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>Values written without white space, with the properties of their objects sorted.</summary>
internal static class SortedText
{
    public static string Of(ReadOnlySpan<byte> text)
    {
        StringBuilder sorted = new();
        Append(Encoding.UTF8.GetString(text), sorted);
        return sorted.ToString();
    }

    // As deep as the value nests, which the machine's calls bound.
    private static void Append(ReadOnlySpan<char> value, StringBuilder sorted)
    {
        if (value.Length < 2 || value[0] is not ('{' or '['))
        {
            sorted.Append(value);
            return;
        }
        List<string> parts = [];
        ReadOnlySpan<char> inside = value[1..^1];
        while (inside.Length > 0)
        {
            int end = EndOfPart(inside);
            StringBuilder part = new();
            int colon = value[0] == '{' ? EndOfString(inside) : -1;
            part.Append(inside[..(colon + 1)]);
            Append(inside[(colon + 1)..end], part);
            parts.Add(part.ToString());
            inside = inside[Math.Min(end + 1, inside.Length)..];
        }
        if (value[0] == '{')
        {
            parts.Sort(StringComparer.Ordinal);
        }
        sorted.Append(value[0]).AppendJoin(',', parts).Append(value[^1]);
    }

    private static int EndOfPart(ReadOnlySpan<char> text)
    {
        int depth = 0;
        for (int i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '"' or '\'':
                    i += EndOfString(text[i..]) - 1;
                    break;
                case '{' or '[':
                    depth++;
                    break;
                case '}' or ']':
                    depth--;
                    break;
                case ',' when depth == 0:
                    return i;
                default:
                    break;
            }
        }
        return text.Length;
    }

    private static int EndOfString(ReadOnlySpan<char> text)
    {
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == text[0])
            {
                return i + 1;
            }
            i += text[i] == '\\' ? 1 : 0;
        }
        return text.Length;
    }
}
