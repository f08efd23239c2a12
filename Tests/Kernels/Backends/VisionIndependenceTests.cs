using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>
/// What the vision tower's operations give a tile is the same to the bit whatever tiles are in the batch with it and wherever it
/// stands, on the processor and in exact mode on a device: a picture's embeddings do not depend on its neighbours.
/// </summary>
public sealed class VisionIndependenceTests
{
    private const int Most = 5, Size = 24, Patch = 4, Grid = Size / Patch, Patches = Grid * Grid, Channels = 3, Heads = 2, Dim = 20, Width = Heads * Dim;

    // Also where another tile comes first.
    private static readonly (int First, int Count)[] s_batches = [(0, 1), (2, 1), (4, 1), (0, 2), (1, 3), (0, Most)];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void OnTheProcessor(int threads)
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        CheckAll(backend);
    }

    [Fact]
    public void OnTheEmulator()
    {
        using var emulated = new EmulatedBackend();
        CheckAll(emulated.Backend);
        Assert.Empty(emulated.Driver.Findings);
    }

    private static void CheckAll(IBackend backend)
    {
        using var run = new Tower(backend);
        float[][] all = run.Run(0, Most);
        foreach ((int first, int count) in s_batches)
        {
            float[][] some = run.Run(first, count);
            for (int operation = 0; operation < all.Length; operation++)
            {
                int perTile = all[operation].Length / Most;
                Assert.True(all[operation].Distinct().Skip(perTile / 2).Any(), $"operation {operation} tells nothing");
                Assert.Equal(Bits(all[operation].AsSpan(first * perTile, count * perTile)), Bits(some[operation]));
            }
        }
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        int[] bits = new int[values.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        }
        return bits;
    }

    /// <summary>All operations of the tower once, as the model orders them; each one's result is kept.</summary>
    private sealed class Tower : IDisposable
    {
        private const int Unfolded = Channels * Patch * Patch;

        private readonly IBackend _backend;
        private readonly List<IDisposable> _owned = [];
        private readonly ushort[] _pixels;
        private readonly IMatrix _embedding, _qkv, _up, _down, _adapter;
        private readonly Tensor _class, _positions, _angles, _weight, _bias, _qkvBias;

        public Tower(IBackend backend)
        {
            _backend = backend;
            var random = new Random(7);
            _pixels = [.. Enumerable.Range(0, Most * Channels * Size * Size).Select(_ => Bf16.FromSingle(random.NextSingle() * 2f - 1f))];
            _embedding = Matrix(Width, Unfolded, 1);
            _qkv = Matrix(3 * Width, Width, 2);
            _up = Matrix(2 * Width + 3, Width, 3);
            _down = Matrix(Width, 2 * Width + 3, 4);
            _adapter = Matrix(Width + 1, 4 * Width, 5);
            _class = Constant(1, Width, 6);
            _positions = Constant(Patches + 1, Width, 7);
            _angles = Constant(Patches + 1, Dim, 8);
            _weight = Constant(1, Width, 9);
            _bias = Constant(1, Width, 10);
            _qkvBias = Constant(1, 3 * Width, 11);
        }

        public float[][] Run(int first, int tiles)
        {
            List<float[]> results = [];
            List<DeviceMemory> memories = [];
            int rows = tiles * (Patches + 1), outputs = tiles * Patches / 4;
            Tensor patches = New(tiles * Patches, Unfolded), embedded = New(tiles * Patches, Width), x = New(rows, Width), normed = New(rows, Width);
            Tensor qkv = New(rows, 3 * Width), heads = New(rows, Width), up = New(rows, 2 * Width + 3), down = New(rows, Width), shuffled = New(outputs, 4 * Width), adapted = New(outputs, Width + 1);
            int perTile = Channels * Size * Size;
            _backend.UnfoldPatches(_pixels.AsSpan(first * perTile, tiles * perTile), tiles, Channels, Size, Patch, patches);
            Keep(patches);
            _backend.Linear(patches, _embedding, null, embedded);
            Keep(embedded);
            _backend.AppendClassTokenAndPositions(embedded, _class, _positions, tiles, x);
            Keep(x);
            _backend.LayerNorm(x, _weight, _bias, 1e-5f, normed);
            Keep(normed);
            _backend.Linear(normed, _qkv, _qkvBias, qkv);
            Keep(qkv);
            _backend.VisionAttention(qkv, tiles, Heads, _angles, heads);
            Keep(heads);
            _backend.Add(heads, x);
            _backend.Linear(x, _up, null, up);
            _backend.Gelu(up);
            Keep(up);
            _backend.Linear(up, _down, null, down);
            Keep(down);
            _backend.PixelShuffle(down, tiles, Grid, shuffled);
            Keep(shuffled);
            _backend.Linear(shuffled, _adapter, null, adapted);
            Keep(adapted);
            memories.ForEach(memory => memory.Dispose());
            return [.. results];

            Tensor New(int count, int columns)
            {
                memories.Add(_backend.Allocate((long)count * columns * sizeof(float)));
                return memories[^1].View(count, columns);
            }

            void Keep(Tensor tensor)
            {
                float[] values = new float[tensor.Elements];
                _backend.Download(tensor, values);
                results.Add(values);
            }
        }

        public void Dispose() => _owned.ForEach(item => item.Dispose());

        private Tensor Constant(int rows, int columns, int seed)
        {
            DeviceMemory memory = _backend.Allocate((long)rows * columns * sizeof(float));
            _owned.Add(memory);
            using HostTensor values = HostTensor.Random(rows, columns, seed);
            Tensor tensor = memory.View(rows, columns);
            _backend.Upload(values.Values, tensor);
            return tensor;
        }

        private IMatrix Matrix(int rows, int columns, int seed)
        {
            using HostTensor values = HostTensor.Random(rows, columns, seed);
            IMatrix matrix = _backend.Pack([MatrixSource.RowMajor(values.View.Address, ElementType.F32, rows, columns)]);
            _owned.Add(matrix);
            return matrix;
        }
    }
}
