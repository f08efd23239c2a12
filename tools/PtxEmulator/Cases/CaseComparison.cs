namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>The first element of an output that breaks its rule.</summary>
/// <param name="Tensor">The output.</param>
/// <param name="Index">The element's number, row-major.</param>
/// <param name="Position">The element's coordinates.</param>
/// <param name="Got">What the kernel wrote.</param>
/// <param name="Expected">What it should have written.</param>
/// <param name="Error">Their distance; NaN if one of them is no number.</param>
/// <param name="Count">How many elements break the rule.</param>
public sealed record CaseDifference(string Tensor, long Index, string Position, string Got, string Expected, double Error, long Count)
{
    /// <inheritdoc/>
    public override string ToString() =>
        FormattableString.Invariant($"{Tensor}{Position}: got {Got}, expected {Expected}, error {Error:G3}; {Count} {(Count == 1 ? "element differs" : "elements differ")}");
}

/// <summary>Compares outputs with what is expected.</summary>
internal static class CaseComparison
{
    /// <summary>Null if every element obeys the rule.</summary>
    public static CaseDifference? Compare(CaseRule rule, CaseTensor expected, ReadOnlySpan<byte> got)
    {
        if (got.Length != expected.Data.Length)
        {
            throw new ArgumentException($"{expected.Name} has {expected.Data.Length} bytes, not {got.Length}.", nameof(got));
        }
        ReadOnlySpan<byte> wanted = expected.Data.Span;
        // Equal bits obey every rule, so the usual case needs no look at the elements.
        if (wanted.SequenceEqual(got))
        {
            return null;
        }
        CaseElement type = expected.Element;
        CaseDifference? first = null;
        long count = 0;
        for (long i = 0; i < expected.Elements; i++)
        {
            ulong want = type.Bits(wanted, i);
            ulong have = type.Bits(got, i);
            if (want == have || Obeys(rule, type, want, have))
            {
                continue;
            }
            count++;
            first ??= new CaseDifference(expected.Name, i, expected.Position(i), type.Text(have), type.Text(want), Distance(type, want, have), 0);
        }
        return first is null ? null : first with { Count = count };
    }

    private static bool Obeys(CaseRule rule, CaseElement type, ulong want, ulong have)
    {
        if (!type.IsFloat())
        {
            return !rule.Exact && Distance(type, want, have) <= (rule.Relative * (double)Int128.Abs(type.Integer(want))) + rule.Absolute;
        }
        double expected = type.Float(want);
        double got = type.Float(have);
        if (double.IsNaN(expected))
        {
            return (!rule.Exact || rule.AnyNaN) && double.IsNaN(got);
        }
        if (rule.Exact)
        {
            return false;
        }
        // An infinite bound would accept everything.
        return double.IsFinite(expected) ? Math.Abs(got - expected) <= (rule.Relative * Math.Abs(expected)) + rule.Absolute : got == expected;
    }

    private static double Distance(CaseElement type, ulong want, ulong have) => type.IsFloat()
        ? Math.Abs(type.Float(have) - type.Float(want))
        : (double)Int128.Abs(type.Integer(have) - type.Integer(want));
}
