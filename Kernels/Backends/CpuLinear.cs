using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>
/// y = x·Wᵀ (+ bias) over <see cref="CpuMatrix"/>. x [T, in], y [T, out], bias [1, out]. Every element is one dot product in
/// an order that depends on the width alone.
/// </summary>
internal static unsafe class CpuLinear
{
    private const int FeaturesPerItem = 16;

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public static void Run(ThreadTeam team, Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        if (weight is not CpuMatrix matrix)
        {
            throw new ArgumentException($"The matrix is a {weight.GetType().Name}; make it with this backend's Pack.", nameof(weight));
        }
        ShapeCheck.Require(x, x.Rows, weight.Columns, nameof(x));
        ShapeCheck.Require(y, x.Rows, weight.Rows, nameof(y));
        if (bias is Tensor b)
        {
            ShapeCheck.Require(b, 1, weight.Rows, nameof(bias));
        }
        float* biasPointer = bias is Tensor given ? given.Pointer : null;
        team.Run((weight.Rows + FeaturesPerItem - 1) / FeaturesPerItem, new Job(x, matrix.Values, biasPointer, y));
    }

    private static float Dot(float* a, float* b, int count)
    {
        Vector512<float> even = Vector512<float>.Zero;
        Vector512<float> odd = Vector512<float>.Zero;
        int c = 0;
        for (; c <= count - 32; c += 32)
        {
            even = Vector512.FusedMultiplyAdd(Vector512.Load(a + c), Vector512.Load(b + c), even);
            odd = Vector512.FusedMultiplyAdd(Vector512.Load(a + c + 16), Vector512.Load(b + c + 16), odd);
        }
        float sum = Vector512.Sum(even + odd);
        for (; c < count; c++)
        {
            sum += a[c] * b[c];
        }
        return sum;
    }

    private readonly struct Job(Tensor x, float* weight, float* bias, Tensor y) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int first = item * FeaturesPerItem;
            int end = Math.Min(y.Columns, first + FeaturesPerItem);
            for (int token = 0; token < x.Rows; token++)
            {
                float* row = x.Pointer + (long)token * x.Columns;
                for (int feature = first; feature < end; feature++)
                {
                    float dot = Dot(row, weight + (long)feature * x.Columns, x.Columns);
                    y.Pointer[(long)token * y.Columns + feature] = bias is null ? dot : dot + bias[feature];
                }
            }
        }
    }
}
