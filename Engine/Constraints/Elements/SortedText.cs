using System.Text;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>Values written without white space, with the properties of their objects sorted.</summary>
internal static class SortedText
{
    // With a stack of its own: a value nests as deep as a model writes it.
    public static string Of(ReadOnlySpan<byte> written)
    {
        string text = Encoding.UTF8.GetString(written);
        StringBuilder part = new();
        List<string> parts = [];
        Stack<(StringBuilder Part, List<string> Parts)> outer = new();
        for (int i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '"' or '\'':
                    int end = EndOfString(text, i);
                    part.Append(text, i, end - i);
                    i = end - 1;
                    break;
                case '{' or '[':
                    outer.Push((part, parts));
                    (part, parts) = (new StringBuilder(), []);
                    break;
                case ',' when outer.Count > 0:
                    parts.Add(part.ToString());
                    part.Clear();
                    break;
                case '}' or ']' when outer.TryPop(out (StringBuilder Part, List<string> Parts) around):
                    parts.Add(part.ToString());
                    if (text[i] == '}')
                    {
                        parts.Sort(StringComparer.Ordinal);
                    }
                    around.Part.Append(text[i] == '}' ? '{' : '[').AppendJoin(',', parts).Append(text[i]);
                    (part, parts) = around;
                    break;
                default:
                    part.Append(text[i]);
                    break;
            }
        }
        return part.ToString();
    }

    // The place after the closing quote.
    private static int EndOfString(string text, int start)
    {
        for (int i = start + 1; i < text.Length; i++)
        {
            if (text[i] == text[start])
            {
                return i + 1;
            }
            i += text[i] == '\\' ? 1 : 0;
        }
        return text.Length;
    }
}
