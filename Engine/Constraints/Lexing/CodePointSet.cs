using System.Numerics;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>A set of Unicode scalar values (surrogates never belong) as sorted ranges. Immutable.</summary>
internal sealed class CodePointSet : IEquatable<CodePointSet>
{
    public const int Last = 0x10FFFF;
    public const int FirstSurrogate = 0xD800;
    public const int LastSurrogate = 0xDFFF;

    // lo, hi, lo, hi …: ascending, disjoint, with a gap between one range and the next.
    private readonly int[] _bounds;

    private CodePointSet(int[] bounds) => _bounds = bounds;

    public static CodePointSet None { get; } = new([]);

    public static CodePointSet All { get; } = Of((0, Last));

    public bool IsEmpty => _bounds.Length == 0;

    public bool IsAll => Equals(All);

    public ReadOnlySpan<int> Bounds => _bounds;

    public static CodePointSet Of(params ReadOnlySpan<(int Low, int High)> ranges) => Of(ranges.ToArray().AsEnumerable());

    public static CodePointSet Of(IEnumerable<(int Low, int High)> ranges)
    {
        List<int> merged = [];
        foreach ((int low, int high) in ranges.SelectMany(WithoutSurrogates).OrderBy(range => range.Low))
        {
            if (merged.Count > 0 && low <= merged[^1] + 1)
            {
                merged[^1] = Math.Max(merged[^1], high);
            }
            else
            {
                merged.Add(low);
                merged.Add(high);
            }
        }
        return new CodePointSet([.. merged]);
    }

    public static CodePointSet Of(string members) => Of(members.EnumerateRunes().Select(rune => (rune.Value, rune.Value)));

    public bool Contains(int codePoint)
    {
        int at = _bounds.AsSpan().BinarySearch(codePoint);
        return at >= 0 || ((~at) & 1) == 1;
    }

    public CodePointSet Union(CodePointSet other) => Of(Ranges().Concat(other.Ranges()));

    public CodePointSet Complement()
    {
        List<(int, int)> gaps = [];
        int from = 0;
        foreach ((int low, int high) in Ranges())
        {
            if (low > from)
            {
                gaps.Add((from, low - 1));
            }
            from = high + 1;
        }
        if (from <= Last)
        {
            gaps.Add((from, Last));
        }
        return Of(gaps);
    }

    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();

    public IEnumerable<(int Low, int High)> Ranges()
    {
        for (int i = 0; i < _bounds.Length; i += 2)
        {
            yield return (_bounds[i], _bounds[i + 1]);
        }
    }

    public bool Equals(CodePointSet? other) => other is not null && _bounds.AsSpan().SequenceEqual(other._bounds);

    public override bool Equals(object? obj) => Equals(obj as CodePointSet);

    public override int GetHashCode()
    {
        uint hash = (uint)_bounds.Length;
        foreach (int bound in _bounds)
        {
            hash = BitOperations.RotateLeft(hash, 5) * 0x9E3779B1 ^ (uint)bound;
        }
        return (int)hash;
    }

    private static IEnumerable<(int Low, int High)> WithoutSurrogates((int Low, int High) range)
    {
        if (range.Low <= LastSurrogate && range.High >= FirstSurrogate)
        {
            if (range.Low < FirstSurrogate)
            {
                yield return (range.Low, FirstSurrogate - 1);
            }
            if (range.High > LastSurrogate)
            {
                yield return (LastSurrogate + 1, range.High);
            }
        }
        else if (range.Low <= range.High)
        {
            yield return range;
        }
    }
}
