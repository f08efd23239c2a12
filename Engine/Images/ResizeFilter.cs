namespace Llama4Kernels.Engine.Images;

/// <summary>Triangle-filter weights for one axis, quantized as Pillow quantizes them.</summary>
internal sealed class ResizeFilter
{
    /// <summary>Fraction bits of a weight.</summary>
    public const int FractionBits = 22;

    private ResizeFilter(int[] first, int[] count, int[] weights, int stride)
    {
        First = first;
        Count = count;
        Weights = weights;
        Stride = stride;
    }

    /// <summary>First input sample of each output sample.</summary>
    public int[] First { get; }

    /// <summary>Input samples of each output sample.</summary>
    public int[] Count { get; }

    /// <summary>Weights, <see cref="Stride"/> apart per output sample.</summary>
    public int[] Weights { get; }

    /// <summary>Distance between the weights of neighbouring output samples.</summary>
    public int Stride { get; }

    /// <summary>Computes the weights.</summary>
    /// <param name="input">Samples along the axis before.</param>
    /// <param name="output">Samples along the axis after.</param>
    /// <returns>The table.</returns>
    public static ResizeFilter Create(int input, int output)
    {
        double scale = (double)input / output;
        double support = Math.Max(scale, 1.0);
        double inverse = 1.0 / support;
        int stride = ((int)Math.Ceiling(support) * 2) + 1;
        int[] first = new int[output];
        int[] count = new int[output];
        int[] weights = new int[checked(output * stride)];
        double[] exact = new double[stride];
        for (int i = 0; i < output; i++)
        {
            double center = (i + 0.5) * scale;
            int from = Math.Max((int)(center - support + 0.5), 0);
            int taps = Math.Min((int)(center + support + 0.5), input) - from;
            double sum = 0;
            for (int k = 0; k < taps; k++)
            {
                exact[k] = Math.Max(0.0, 1.0 - Math.Abs((k + from - center + 0.5) * inverse));
                sum += exact[k];
            }
            for (int k = 0; k < taps; k++)
            {
                double weight = sum != 0 ? exact[k] / sum : exact[k];
                weights[(i * stride) + k] = (int)(0.5 + (weight * (1 << FractionBits)));
            }
            first[i] = from;
            count[i] = taps;
        }
        return new ResizeFilter(first, count, weights, stride);
    }
}
