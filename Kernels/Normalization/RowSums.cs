using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>Sums over one row with float64 accumulators, in an order that depends on nothing but the length.</summary>
internal static unsafe class RowSums
{
    /// <summary>Rows that make an item of work worth a dispatch: about 16,000 elements.</summary>
    public static int RowsPerItem(int columns) => Math.Max(1, 16384 / Math.Max(1, columns));

    /// <summary>Σ x.</summary>
    public static double Sum(float* x, int columns)
    {
        Vector512<double> low = Vector512<double>.Zero;
        Vector512<double> high = Vector512<double>.Zero;
        int c = 0;
        for (; c <= columns - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            (Vector512<double> a, Vector512<double> b) = Vector512.Widen(Vector512.Load(x + c));
            low += a;
            high += b;
        }
        double sum = Vector512.Sum(low + high);
        for (; c < columns; c++)
        {
            sum += x[c];
        }
        return sum;
    }

    /// <summary>Σ (x − center)², the difference in float32.</summary>
    public static double SumOfSquares(float* x, int columns, float center)
    {
        Vector512<float> centers = Vector512.Create(center);
        Vector512<double> low = Vector512<double>.Zero;
        Vector512<double> high = Vector512<double>.Zero;
        int c = 0;
        for (; c <= columns - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            (Vector512<double> a, Vector512<double> b) = Vector512.Widen(Vector512.Load(x + c) - centers);
            low += a * a;
            high += b * b;
        }
        double sum = Vector512.Sum(low + high);
        for (; c < columns; c++)
        {
            double difference = x[c] - center;
            sum += difference * difference;
        }
        return sum;
    }
}
