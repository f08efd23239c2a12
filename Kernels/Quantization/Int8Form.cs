namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What a product of integers wants beside the codes of 128 columns of a row of x.</summary>
/// <param name="Runs">Runs of columns of which it wants the sum of codes: 1, 2, 4 or 8.</param>
/// <param name="Bias">What the weights' codes are counted from: −Bias · sum as integers, what that adds; for 0 the sums as float32.</param>
internal readonly record struct Int8Form(int Runs, int Bias)
{
    /// <summary>Columns that share a scale of x.</summary>
    public const int GroupColumns = 128;

    /// <summary>Bytes of a row's group: sums, a scale, codes.</summary>
    public int GroupBytes => Runs * sizeof(int) + sizeof(float) + GroupColumns;
}
