namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What a product of integers wants beside the codes of 128 columns of a row of x.</summary>
/// <param name="Runs">Runs of columns of which it wants the sum of codes: 1, 2, 4 or 8.</param>
/// <param name="Bias">What the weights' codes are counted from: −Bias · sum as integers, what that adds; for 0 the sums as float32.</param>
/// <param name="ArePairs">Whether it wants the sums themselves, of 16 bits, those of two neighbouring runs in a word; Bias is 0 then.</param>
internal readonly record struct Int8Form(int Runs, int Bias, bool ArePairs = false)
{
    /// <summary>Columns that share a scale of x.</summary>
    public const int GroupColumns = 128;

    /// <summary>Words of sums of a row's group.</summary>
    public int SumWords => ArePairs ? Runs / 2 : Runs;

    /// <summary>Bytes of a row's group: sums, a scale, codes.</summary>
    public int GroupBytes => SumWords * sizeof(int) + sizeof(float) + GroupColumns;
}
