using System.Globalization;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>
/// What rounded activations may do to logits, over all rows that were compared. One rounding that flips a router's choice moves its
/// row far, in the official implementation too, so neither the largest error nor, in few rows, the mean tells a fault from a flip;
/// how many rows are far and where their middle lies does. A value out of range throws <see cref="ArgumentException"/> where it is set.
/// </summary>
public sealed record DivergenceBound
{
    /// <summary>
    /// The official implementation's own distance from float32 when it runs in bfloat16, summed over 1,283 rows of small models: nobody
    /// who publishes the weights computes them closer.
    /// </summary>
    public static DivergenceBound OfficialBFloat16 { get; } = new() { MedianKl = 7.7e-5, ShareAbove001 = 41.0 / 1283, Top1Share = 0.952 };

    /// <summary>The distance of the same models when every product takes int8 activations with a scale for each token and 128 columns.</summary>
    public static DivergenceBound GroupInt8 { get; } = new() { MedianKl = 4.1e-4, ShareAbove001 = 118.0 / 1283, Top1Share = 0.898 };

    /// <summary>Largest median of the rows' KL divergences in nats, at least 0; null does not bound it.</summary>
    public double? MedianKl { get; init => field = AtLeast0(value, nameof(MedianKl)); }

    /// <summary>Largest mean in nats, at least 0; null does not bound it.</summary>
    public double? MeanKl { get; init => field = AtLeast0(value, nameof(MeanKl)); }

    /// <summary>Largest share of rows beyond 0.01 nats, 0 to 1.</summary>
    public double ShareAbove001 { get; init => field = Share(value, nameof(ShareAbove001)); } = 1;

    /// <summary>Smallest share of rows with the same most likely token, 0 to 1.</summary>
    public double Top1Share { get; init => field = Share(value, nameof(Top1Share)); }

    /// <summary>The bound for a precision that rounds.</summary>
    internal static DivergenceBound Of(ActivationPrecision activations) => activations == ActivationPrecision.Int8 ? GroupInt8 : OfficialBFloat16;

    /// <summary>Whether all rows together are within the bound.</summary>
    public bool Admits(LogitDivergence rows) =>
        !(rows.MedianKl > MedianKl) && !double.IsNaN(rows.MedianKl)
        && !(rows.MeanKl > MeanKl) && !double.IsNaN(rows.MeanKl)
        && rows.RowsAbove001 <= ShareAbove001 * rows.Rows
        && rows.SameTop1 >= Top1Share * rows.Rows;

    /// <summary>The bound in words.</summary>
    public override string ToString() => string.Join(", ", ((string?[])[
        MedianKl is double median ? string.Create(CultureInfo.InvariantCulture, $"median KL at most {median:0.0e-0}") : null,
        MeanKl is double mean ? string.Create(CultureInfo.InvariantCulture, $"mean KL at most {mean:0.0##e-0}") : null,
        ShareAbove001 < 1 ? string.Create(CultureInfo.InvariantCulture, $"at most {ShareAbove001:P1} of the rows beyond 0.01") : null,
        Top1Share > 0 ? string.Create(CultureInfo.InvariantCulture, $"the same best token in at least {Top1Share:P1}") : null]).OfType<string>());

    private static double? AtLeast0(double? value, string name) =>
        value is null or >= 0 ? value : throw new ArgumentException($"{name} must be 0 or more, not {value}.", name);

    private static double Share(double value, string name) =>
        value is >= 0 and <= 1 ? value : throw new ArgumentException($"{name} is a share of rows, 0 to 1, not {value}.", name);
}
