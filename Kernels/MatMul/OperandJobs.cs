using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Brings rows of x into the form in which a product takes them. An item is a row.</summary>
internal static unsafe class OperandJobs
{
    /// <summary>Copies rows into padded ones, rounded to bfloat16 if asked for.</summary>
    public readonly struct PadJob(float* x, int columns, int padded, bool round, float* to) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* from = x + (long)item * columns;
            float* row = to + (long)item * padded;
            for (int c = 0; c < columns; c++)
            {
                row[c] = round ? Bf16.Round(from[c]) : from[c];
            }
            if (padded > columns)
            {
                row[columns] = 0;
            }
        }
    }
}
