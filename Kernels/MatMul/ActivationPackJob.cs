using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Interleaves the activations of a block of tokens for the tiles: [k][token] float32, or [k/2][token] bf16 pairs.
/// Missing tokens of the last block and the padding column are zero. An item is a block and a range of k.
/// </summary>
internal readonly unsafe struct ActivationPackJob(float* x, int tokens, int columns, int maxTokens, int lastTokens, bool pairs, bool round, byte* target) : ITeamJob
{
    private const int RangeSteps = 512;

    private int Blocks => (tokens + maxTokens - 1) / maxTokens;

    private int Steps => (int)(((long)columns + 1) / 2);

    private int Ranges => (Steps + RangeSteps - 1) / RangeSteps;

    public int Items => checked(Blocks * Ranges);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Execute(int item, int worker)
    {
        int block = item / Ranges;
        int firstStep = item % Ranges * RangeSteps;
        int endStep = Math.Min(firstStep + RangeSteps, Steps);
        int width = block == Blocks - 1 ? lastTokens : maxTokens;
        int stepTokenBytes = pairs ? 4 : 8;
        byte* to = target + (long)block * maxTokens * Steps * stepTokenBytes;
        for (int t = 0; t < width; t++)
        {
            int token = block * maxTokens + t;
            float* from = x + (long)token * columns;
            for (int s = firstStep; s < endStep; s++)
            {
                float even = token < tokens ? from[2L * s] : 0;
                float odd = token < tokens && 2L * s + 1 < columns ? from[2L * s + 1] : 0;
                if (pairs)
                {
                    ((uint*)to)[(long)s * width + t] = Bf16.FromSingle(even) | (uint)Bf16.FromSingle(odd) << 16;
                }
                else
                {
                    float* step = (float*)to + 2L * s * width;
                    step[t] = round ? Bf16.Round(even) : even;
                    step[width + t] = round ? Bf16.Round(odd) : odd;
                }
            }
        }
    }
}
