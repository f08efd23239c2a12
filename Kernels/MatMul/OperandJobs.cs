using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Brings rows of x into the form in which a product takes them. An item is a row.</summary>
internal static unsafe class OperandJobs
{
    /// <summary>Rounds rows to bfloat16 and pads them to whole pairs.</summary>
    public readonly struct RoundJob(float* x, int columns, int steps, ushort* to) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* from = x + (long)item * columns;
            ushort* row = to + (long)item * steps * 2;
            int c = 0;
            if (Vector512.IsHardwareAccelerated)
            {
                for (; c + 32 <= columns; c += 32)
                {
                    Vector512.Narrow(Rounded(Vector512.Load(from + c)), Rounded(Vector512.Load(from + c + 16))).Store(row + c);
                }
            }
            for (; c < columns; c++)
            {
                row[c] = Bf16.FromSingle(from[c]);
            }
            if ((columns & 1) != 0)
            {
                row[columns] = 0;
            }
        }

        /// <summary>The bfloat16 bits, nearest even, in the low halves; NaN stays NaN.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<uint> Rounded(Vector512<float> values)
        {
            Vector512<uint> bits = values.AsUInt32();
            Vector512<uint> upper = bits >>> 16;
            Vector512<uint> rounded = (bits + Vector512.Create(0x7fffu) + (upper & Vector512<uint>.One)) >>> 16;
            return Vector512.ConditionalSelect(Vector512.Equals(values, values).AsUInt32(), rounded, upper | Vector512.Create(0x40u));
        }
    }

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
