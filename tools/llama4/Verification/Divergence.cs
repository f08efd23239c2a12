namespace Llama4Kernels.Cli.Verification;

/// <summary>How far computed rows of logits are from reference rows.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Mean">Mean KL divergence in nats.</param>
/// <param name="Median">Median.</param>
/// <param name="FarRows">Rows beyond 0.01, and those that are no numbers.</param>
/// <param name="SameTop1">Rows with the same most likely token.</param>
internal readonly record struct Divergence(int Rows, double Mean, double Median, int FarRows, int SameTop1)
{
    private const double Far = 0.01;

    /// <summary>Compares rows of logits.</summary>
    public static Divergence Of(ReadOnlySpan<float> computed, ReadOnlySpan<float> reference, int columns)
    {
        double[] rows = Metrics.Kl(computed, reference, columns);
        return new Divergence(rows.Length, rows.Average(), rows.Order().ElementAt(rows.Length / 2), rows.Count(row => !(row <= Far)), Metrics.SameTop1(computed, reference, columns));
    }
}
