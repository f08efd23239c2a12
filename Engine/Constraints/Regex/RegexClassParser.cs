using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>Reads a class, [ … ]; the opening bracket has been read.</summary>
internal sealed class RegexClassParser(RegexParser parser)
{
    public CodePointSet Class()
    {
        bool negative = parser.Take('^');
        List<(int, int)> ranges = [];
        while (!parser.Take(']'))
        {
            CodePointSet low = Member();
            if (!parser.Sees("-") || parser.Sees("-]"))
            {
                ranges.AddRange(low.Ranges());
                continue;
            }
            parser.Take('-');
            CodePointSet high = Member();
            if (Single(low) is int from && Single(high) is int to)
            {
                ranges.Add(to < from ? throw parser.Error("a range of a class is in the wrong order.") : (from, to));
            }
            else
            {
                // \w-x: no range, as browsers read it.
                ranges.AddRange(low.Ranges().Concat(high.Ranges()).Append(('-', '-')));
            }
        }
        CodePointSet set = CodePointSet.Of(ranges);
        return negative ? set.Complement() : set;
    }

    private CodePointSet Member()
    {
        if (!parser.Take('\\'))
        {
            int point = parser.Next().Value;
            return CodePointSet.Of((point, point));
        }
        return parser.Take('b') ? CodePointSet.Of(('\b', '\b')) : parser.EscapedSet();
    }

    private static int? Single(CodePointSet set) =>
        set.Bounds.Length == 2 && set.Bounds[0] == set.Bounds[1] ? set.Bounds[0] : null;
}
