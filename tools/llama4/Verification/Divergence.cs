namespace Llama4Kernels.Cli.Verification;

/// <summary>How far computed rows of logits are from reference rows.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Mean">Mean KL divergence in nats.</param>
/// <param name="Median">Median.</param>
/// <param name="FarRows">Rows beyond 0.01, and those that are no numbers.</param>
/// <param name="SameTop1">Rows with the same most likely token.</param>
internal readonly record struct Divergence(int Rows, double Mean, double Median, int FarRows, int SameTop1)
{
    /// <summary>The official implementation in bfloat16 against itself in float32: 1283 rows of small models.</summary>
    private const double OfficialMedian = 7.7e-5, Far = 0.01, OfficialFarShare = 0.032, OfficialTop1Share = 0.952;

    /// <summary>
    /// Whether it is no farther than the official implementation in bfloat16. A router's choice that flips moves a row far, and no
    /// rounding of activations can rule that out: so a share of the rows may be far, one in any case.
    /// </summary>
    public bool IsOfficial => Median <= OfficialMedian && FarRows <= Math.Max(1, OfficialFarShare * Rows) && SameTop1 >= Math.Min(Rows - 1, OfficialTop1Share * Rows);

    /// <summary>Compares rows of logits.</summary>
    public static Divergence Of(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference, int columns)
    {
        double[] rows = Metrics.Kl(computed, reference, columns);
        return new Divergence(rows.Length, rows.Average(), rows.Order().ElementAt(rows.Length / 2), rows.Count(row => !(row <= Far)), Metrics.SameTop1(computed, reference, columns));
    }
}
