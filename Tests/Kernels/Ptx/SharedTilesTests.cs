using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Ptx;

/// <summary>Fragments that ldmatrix brings from exchanged tiles, on the emulator: each lane gets its elements, no two rows meet in a bank.</summary>
public class SharedTilesTests
{
    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    [InlineData(256)]
    public void PiecesOfARowKeepToTheirRow(int rowBytes)
    {
        int pieces = rowBytes / 16;
        for (int row = 0; row < 16; row++)
        {
            Assert.Equal(Enumerable.Range(0, pieces).Select(piece => (row * rowBytes) + (16 * piece)), Enumerable.Range(0, pieces).Select(piece => SharedTiles.Place(rowBytes, row, piece)).Order());
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => SharedTiles.Place(96, 0, 0));
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(128, true)]
    [InlineData(256, true)]
    [InlineData(64, false)]
    [InlineData(128, false)]
    [InlineData(256, false)]
    public void LanesGetTheirFragments(int rowBytes, bool isA)
    {
        for (int block = 0; block < rowBytes / 32; block++)
        {
            // Element (row, column) of the tile is 256 · row + column.
            byte[] tile = new byte[16 * rowBytes];
            for (int row = 0; row < 16; row++)
            {
                for (int column = 0; column < rowBytes / 2; column++)
                {
                    MemoryMarshal.Write(tile.AsSpan(SharedTiles.Place(rowBytes, row, column / 8) + (column % 8 * 2)), (ushort)((256 * row) + column));
                }
            }
            byte[] expected = new byte[32 * 16];
            int[] addresses = new int[32];
            for (int lane = 0; lane < 32; lane++)
            {
                (int pieceRow, int piece) = isA ? SharedTiles.A(lane) : SharedTiles.B(lane);
                addresses[lane] = SharedTiles.Place(rowBytes, pieceRow, (2 * block) + piece);
                for (int element = 0; element < 8; element++)
                {
                    // Registers 0, 1 are b of the columns 0 … 7, registers 2, 3 of the columns 8 … 15; b is stored [n][k].
                    (int row, int column) = isA ? MatrixFragments.A(lane, element) : Transposed(MatrixFragments.B(lane, element % 4), element / 4 * 8);
                    MemoryMarshal.Write(expected.AsSpan((lane * 16) + (element * 2)), (ushort)((256 * row) + (16 * block) + column));
                }
            }
            Run(tile, addresses, expected);
        }
    }

    private static (int Row, int Column) Transposed((int Row, int Column) place, int first) => (first + place.Column, place.Row);

    private static void Run(byte[] tile, int[] addresses, byte[] expected)
    {
        var k = new KernelWriter("load_fragments", 80, 32, blocksPerProcessor: 1, "A tile to shared memory and its fragments back.");
        Parameter<GlobalAddress> source = k.View("source", "the tile"), places = k.View("places", "[32] s32"), target = k.View("target", "[32][4] pairs");
        SharedRegion shared = k.Shared("tile", tile.Length, "the tile");
        Reg<U32> lane = k.Register<U32>("lane", "lane"), place = k.Register<U32>("place", "the lane's piece");
        Reg<GlobalAddress> pointer = k.Register<GlobalAddress>("pointer", "temporary");
        Reg<SharedAddress> own = k.Register<SharedAddress>("own", "temporary");
        Vec4<Bf16x2> fragment = k.Quad<Bf16x2>("a", "fragment");
        k.ThreadIndex(lane);
        k.Load(pointer, source);
        k.Advance(pointer, pointer, lane, 16);
        k.SharedBase(own);
        k.Advance(own, own, lane, 16);
        for (int at = 0; at < shared.Bytes; at += 512)
        {
            k.CopyAsync(own.At(shared.Offset + at), pointer.At(at));
        }
        k.CommitCopies();
        k.WaitForCopies(0);
        k.BlockBarrier();
        k.Load(pointer, places);
        k.Advance(pointer, pointer, lane, sizeof(int));
        k.Load(place, pointer);
        k.SharedBase(own);
        k.Advance(own, own, place, 1);
        k.LoadMatrices(fragment, own);
        k.Load(pointer, target);
        k.Advance(pointer, pointer, lane, 16);
        k.Store(pointer, fragment);
        k.Return();
        byte[] addressBytes = MemoryMarshal.AsBytes(addresses.AsSpan()).ToArray();
        var launch = new MutationLaunch(new CudaDim3(1), new CudaDim3(32), k.SharedBytes,
            [new BufferArgument(0, null), new BufferArgument(1, null), new BufferArgument(2, null)],
            [new MutationBuffer(tile, tile, Agreement.Exact), new MutationBuffer(addressBytes, addressBytes, Agreement.Exact), new MutationBuffer(null, expected, Agreement.Exact)]);
        var profile = new LaunchProfile(launch.Run(PtxModule.Parse(k.Module().Text), "load_fragments", new LaunchOptions { Workers = 1, CountMemory = true }, out byte[][] results));
        Assert.Null(launch.Difference(results));
        Assert.Equal(0, profile.BankConflicts);
    }
}
