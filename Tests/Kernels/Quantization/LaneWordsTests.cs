using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Words of 32 rows with a lane per row: both ways of doing it, for every number of words that a piece has.</summary>
public sealed unsafe class LaneWordsTests
{
    private const int Rows = 32, Stride = 68, MaxWords = 64;

    [Fact]
    public void EveryWordLiesInItsRowsLaneAndNothingBeyondIsWritten()
    {
        uint[] words = [.. Enumerable.Range(0, Rows * Stride).Select(i => (uint)i * 2654435761u)];
        for (int count = 0; count <= MaxWords; count++)
        {
            foreach (bool vectors in (bool[])[false, true])
            {
                if (vectors && !System.Runtime.Intrinsics.X86.Avx2.IsSupported)
                {
                    continue;
                }
                uint[] actual = new uint[(MaxWords + 4) * Rows];
                fixed (uint* from = words, to = actual)
                {
                    if (vectors)
                    {
                        LaneWords.PlaceVectors(from, Stride, count, to);
                    }
                    else
                    {
                        LaneWords.PlaceWords(from, Stride, count, to);
                    }
                }
                for (int i = 0; i < actual.Length; i++)
                {
                    Assert.Equal(i < count * Rows ? words[i % Rows * Stride + i / Rows] : 0, actual[i]);
                }
            }
        }
    }

    [Fact]
    public void EveryByteLiesInItsRowsLane()
    {
        foreach (int count in (int[])[1, 15, 16, 17, 32, 47, 64])
        {
            byte[] rows = new byte[Rows * count], actual = new byte[Rows * count + 1];
            new Random(count).NextBytes(rows);
            fixed (byte* from = rows, to = actual)
            {
                LaneWords.PlaceBytes(from, count, count, to);
            }
            Assert.Equal([.. Enumerable.Range(0, Rows * count).Select(i => rows[i % Rows * count + i / Rows]), 0], actual);
        }
    }
}
