using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>Matrices that are saved packed: the bytes that products read, mapped where those read them, and taken apart to the same codes where not.</summary>
public sealed class SavedMatrixTests : IDisposable
{
    private const int Rows = 130;

    private readonly string _folder = Directory.CreateTempSubdirectory("llama4-saved-").FullName;
    private readonly Random _random = new(5);
    private readonly PinnedArrays _pinned = new();
    private readonly ThreadTeam _team = new(2);

    /// <summary>Every format of the list that products read, in each of the layouts that it is packed in.</summary>
    public static TheoryData<string, ActivationPrecision, int> Forms => new(
        from format in WeightFormat.All
        where !format.IsOnlyStored
        from activations in Enum.GetValues<ActivationPrecision>()
        from columns in (int[])[384, 131]
        where format.WhyNot(columns) is null
        select (format.Name, activations, columns));

    public void Dispose()
    {
        _team.Dispose();
        Directory.Delete(_folder, recursive: true);
        _pinned.Dispose();
    }

    [Fact]
    public void EveryLayoutOfAFormatOfTheListIsSaved() =>
        Assert.All(CpuProducts.All.Where(record => record.Format is not null), record => Assert.NotNull(record.Layout.Saved));

    [Theory]
    [MemberData(nameof(Forms))]
    public void PiecesAreTheBytesOfTheWhole(string name, ActivationPrecision activations, int columns)
    {
        MatrixSource[] sources = [Numbers(70, columns, transposed: true), new RowStack(Numbers(1, columns), Numbers(Rows - 71, columns))];
        using Saved saved = Save(sources, WeightFormat.Get(name), activations);
        using CpuMatrix packed = Pack(sources, WeightFormat.Get(name), activations);
        Assert.Equal((Rows, columns, packed.Format.Name, packed.Layout), (saved.Shape.Rows, saved.Shape.Columns, saved.Shape.Format.Name, saved.Shape.Layout));
        byte[] expected = new byte[SavedMatrix.BytesOf(saved.Shape)];
        Bytes(packed).CopyTo(expected);
        Assert.Equal(0, expected.Length % 64);
        Assert.Equal(expected, saved.Bytes);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void WhatProductsReadIsMappedAndAllElseKeepsCodesAndScales(string name, ActivationPrecision activations, int columns)
    {
        WeightFormat format = WeightFormat.Get(name);
        MatrixSource[] sources = [Numbers(70, columns), Numbers(Rows - 70, columns)];
        using Saved saved = Save(sources, format, activations);
        SavedMatrix whole = saved.Open();
        foreach (ActivationPrecision other in Enum.GetValues<ActivationPrecision>())
        {
            using CpuMatrix direct = Pack(sources, format, other), again = Pack([whole.Part(0, 70), whole.Part(70, Rows - 70)], null, other), moved = Pack([whole.Part(70, Rows - 70), whole.Part(0, 70)], format, other);
            bool same = direct.Layout == saved.Shape.Layout;
            Assert.Equal((same, !same), (again.IsMapped, again.PackedAgain is not null));
            Assert.Equal(same, again.Memory.Address == saved.Address);
            Assert.Equal(direct.Format, again.Format);
            Assert.True(Bytes(direct).SequenceEqual(Bytes(again)), $"{saved.Shape} to {direct.Layout}");
            Assert.Contains(same ? "stacked in another way" : $"read {direct.Layout}", moved.PackedAgain, StringComparison.Ordinal);
            using CpuMatrix expected = Pack([sources[1], sources[0]], format, other);
            Assert.True(Bytes(expected).SequenceEqual(Bytes(moved)), $"{saved.Shape} to {direct.Layout}, in another order");
        }
    }

    /// <summary>Codes of eight bits lie as products of each precision read them, are mapped by those, and become the others' with the same codes and scales.</summary>
    [Theory]
    [InlineData(32)]
    [InlineData(160)]
    [InlineData(384)]
    public void EightBitsAreSavedForEveryPrecision(int columns)
    {
        MatrixSource[] sources = [new QuantisedMatrix(Numbers(70, columns)), new QuantisedMatrix(Numbers(Rows - 70, columns))];
        float[] row = new float[columns], expected = new float[columns];
        foreach (ActivationPrecision activations in Enum.GetValues<ActivationPrecision>())
        {
            using Saved saved = Save(sources, KeptFormats.Int8, activations);
            using CpuMatrix packed = Pack(sources, null, activations);
            Assert.Equal(packed.Layout, saved.Shape.Layout);
            Assert.True(Bytes(packed).SequenceEqual(saved.Bytes.AsSpan(0, (int)packed.Bytes)), packed.Layout);
            for (int r = 0; r < Rows; r++)
            {
                saved.Open().ReadRow(r, row);
                sources[r / 70].ReadRow(r % 70, expected);
                Assert.Equal(expected, row);
            }
            foreach (ActivationPrecision other in Enum.GetValues<ActivationPrecision>())
            {
                using CpuMatrix direct = Pack(sources, null, other), again = Pack([saved.Open().AsSource()], null, other);
                Assert.Equal(direct.Layout == saved.Shape.Layout, again.IsMapped);
                Assert.True(Bytes(direct).SequenceEqual(Bytes(again)), $"{saved.Shape} to {direct.Layout}");
            }
        }
        // Codes that a file has stay there.
        using var packing = new HostPacking(ActivationPrecision.Float32, 1);
        using var stored = new RandomCodes("Q4_K", 8, 256, seed: 1);
        Assert.Contains("stay as they are stored", Assert.Throws<NotSupportedException>(() => packing.ShapeOf([stored.Matrix], null)).Message, StringComparison.Ordinal);
        Assert.Contains("q4_k in slabs32", SavedMatrix.WhyNot(new PackedShape(8, 256, stored.Matrix.Codes, "slabs32", 1)), StringComparison.Ordinal);
    }

    /// <summary>Numbers as float32: those of the format's rounding, whatever the layout, and a piece of a row as the whole.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public unsafe void RowsAreTheNumbersOfTheirCodes(string name, ActivationPrecision activations, int columns)
    {
        MatrixSource source = Numbers(Rows, columns);
        using Saved saved = Save([source], WeightFormat.Get(name), activations), exact = Save([source], WeightFormat.Get(name), ActivationPrecision.Float32);
        float[] row = new float[columns], other = new float[columns], original = new float[columns], piece = new float[17];
        for (int r = 0; r < Rows; r++)
        {
            saved.Open().ReadRow(r, row);
            exact.Open().ReadRow(r, other);
            source.ReadRow(r, original);
            Assert.Equal(other, row);
            float step = original.Max(MathF.Abs) / (WeightFormat.Get(name).Bits < 8 ? 7 : 14);
            Assert.All(Enumerable.Range(0, columns), c => Assert.True(Math.Abs(row[c] - original[c]) <= step, $"[{r}, {c}] {row[c]} for {original[c]}"));
            fixed (float* to = piece)
            {
                saved.Open().Part(r, 1).Read(0, 100, 17, to);
            }
            Assert.Equal(row[100..117], piece);
        }
    }

    [Fact]
    public void ShapesThatNobodyKnowsAreRefused()
    {
        var shape = new PackedShape(4, 256, WeightFormat.Int4, "panels64", 1);
        Assert.Null(SavedMatrix.WhyNot(shape));
        Assert.Equal(2 * 4352, SavedMatrix.BytesOf(shape));
        foreach ((PackedShape wrong, string reason) in new[]
        {
            (shape with { Version = 2 }, "int4 in panels64 version 2, which this version of the engine does not know"), (shape with { Layout = "panels65" }, "panels65"),
            (shape with { Rows = 0 }, "[0, 256]"), (shape with { Columns = -1 }, "[4, -1]"), (shape with { Columns = 130 }, "multiple of 128"),
            (shape with { Format = WeightFormat.F32 }, "f32 in panels64"), (shape with { Layout = "panels32", Format = WeightFormat.F16 }, "f16"),
        })
        {
            Assert.Contains(reason, SavedMatrix.WhyNot(wrong), StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => SavedMatrix.BytesOf(wrong));
            Assert.Throws<ArgumentException>(() => new SavedMatrix(wrong, 64, new MemoryOf(64)));
        }
        using Saved saved = Save([Numbers(Rows, 256)], WeightFormat.Int4, ActivationPrecision.Int8);
        Assert.Throws<ArgumentOutOfRangeException>(() => saved.Open().Part(100, 31));
        Assert.Throws<ArgumentOutOfRangeException>(() => saved.Open().Part(-1, 2));
        using var packing = new HostPacking(ActivationPrecision.Int8, 1);
        Assert.Contains("multiple of 128", Assert.Throws<ArgumentException>(() => packing.ShapeOf([Numbers(4, 130)], WeightFormat.Int4)).Message, StringComparison.Ordinal);
        Assert.Contains("different formats", Assert.Throws<ArgumentException>(() => packing.ShapeOf([saved.Open(), Numbers(4, 256)], null)).Message, StringComparison.Ordinal);
    }

    /// <summary>A matrix at another address is packed, not read where products would not expect it.</summary>
    [Fact]
    public void AMatrixThatIsNotAlignedIsPackedAgain()
    {
        using Saved saved = Save([Numbers(Rows, 256)], WeightFormat.Int4, ActivationPrecision.Int8);
        byte[] moved = GC.AllocateUninitializedArray<byte>(saved.Bytes.Length + 128, pinned: true);
        nint start = Marshal.UnsafeAddrOfPinnedArrayElement(moved, 0);
        nint at = ((start + 63) & -64) + 8;
        Marshal.Copy(saved.Bytes, 0, at, saved.Bytes.Length);
        using CpuMatrix packed = Pack([new SavedMatrix(saved.Shape, at, new MemoryOf(at))], null, ActivationPrecision.Int8);
        Assert.False(packed.IsMapped);
        Assert.Contains("multiple of 64", packed.PackedAgain, StringComparison.Ordinal);
        Assert.True(Bytes(packed).SequenceEqual(saved.Bytes));
        GC.KeepAlive(moved);
    }

    /// <summary>Whatever is disposed first: a mapped matrix keeps the mapping, and a product keeps the matrix.</summary>
    [Fact]
    public void AMappedMatrixOutlivesTheFileAndIsGoneWithItself()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 2, Precision = ActivationPrecision.Int8 });
        MatrixSource source = Numbers(Rows, 256);
        Saved saved = Save([source], WeightFormat.Int4, ActivationPrecision.Int8);
        SavedMatrix open = saved.Open();
        SafeHandle mapping = open.Memory;
        IMatrix mapped = backend.Pack([open], null), second = backend.Pack([open], null);
        using IMatrix direct = backend.Pack([source], WeightFormat.Int4);
        using DeviceMemory x = backend.Allocate(256 * 4), y = backend.Allocate(Rows * 4);
        backend.Upload([.. Enumerable.Range(0, 256).Select(i => i * 0.01f - 1)], x.View(1, 256));
        float[] Product(IMatrix w)
        {
            float[] result = new float[Rows];
            backend.Linear(x.View(1, 256), w, null, y.View(1, Rows));
            backend.Download(y.View(1, Rows), result);
            return result;
        }
        float[] expected = Product(direct);
        saved.Dispose();
        Assert.Equal(expected, Product(mapped));
        MatrixMemory held = ((CpuMatrix)mapped).Hold();
        mapped.Dispose();
        mapped.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Product(mapped));
        Assert.Throws<ObjectDisposedException>(() => ((CpuMatrix)mapped).Memory);
        second.Dispose();
        Assert.False(IsUnmapped(saved.Address));
        held.DangerousRelease();
        Assert.True(IsUnmapped(saved.Address));
        Assert.Throws<ObjectDisposedException>(() => backend.Pack([open], null));
        Assert.True(mapping.IsClosed);
    }

    /// <summary>Products while others dispose what they multiply with: they finish, or say that it is gone.</summary>
    [Fact]
    public async Task ProductsDuringDisposeReadNothingThatIsGone()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1, Precision = ActivationPrecision.Int8 });
        using DeviceMemory x = backend.Allocate(256 * 4), y = backend.Allocate(Rows * 4);
        backend.Upload(new float[256], x.View(1, 256));
        for (int i = 0; i < 50; i++)
        {
            Saved saved = Save([Numbers(Rows, 256)], WeightFormat.Int4, ActivationPrecision.Int8);
            IMatrix matrix = backend.Pack([saved.Open()], null);
            var products = Task.Run(() => { Assert.Throws<ObjectDisposedException>(() => Multiply(matrix)); }, TestContext.Current.CancellationToken);
            await Task.Delay(1, TestContext.Current.CancellationToken);
            saved.Dispose();
            matrix.Dispose();
            await products;
        }

        void Multiply(IMatrix matrix)
        {
            while (true)
            {
                backend.Linear(x.View(1, 256), matrix, null, y.View(1, Rows));
            }
        }
    }

    private static bool IsUnmapped(nint address)
    {
        if (!File.Exists("/proc/self/maps"))
        {
            Assert.Skip("Only Linux tells what is mapped.");
        }
        string start = address.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
        return !File.ReadLines("/proc/self/maps").Any(line => line.StartsWith(start + "-", StringComparison.Ordinal) && line.Contains("llama4-saved-", StringComparison.Ordinal));
    }

    private Saved Save(MatrixSource[] sources, WeightFormat format, ActivationPrecision activations)
    {
        using var packing = new HostPacking(activations, 2) { PieceBytes = 1 };
        PackedShape shape = packing.ShapeOf(sources, format);
        string path = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        int rows = 0;
        using (FileStream file = File.Create(path))
        {
            packing.Write(sources, shape, file, source => rows += source.Rows, CancellationToken.None);
        }
        Assert.Equal(shape.Rows, rows);
        return new Saved(MappedFile.Open(path), shape);
    }

    private CpuMatrix Pack(MatrixSource[] sources, WeightFormat? format, ActivationPrecision activations)
    {
        using var linear = new CpuLinear(_team, activations, null);
        return (CpuMatrix)linear.Pack(sources, format);
    }

    private static unsafe ReadOnlySpan<byte> Bytes(CpuMatrix matrix) => new((void*)matrix.Memory.Address, (int)matrix.Bytes);

    private StridedMatrix Numbers(int rows, int columns, bool transposed = false)
    {
        ushort[] bits = _pinned.Make(rows * columns, _ => Bf16.FromSingle((float)((_random.NextDouble() - 0.5) * Math.Pow(2, _random.Next(-8, 3)))));
        return new StridedMatrix(PinnedArrays.Address(bits), ElementType.BF16, rows, columns, transposed ? 1 : columns, transposed ? rows : 1);
    }

    private sealed unsafe class Saved(MappedFile file, PackedShape shape) : IDisposable
    {
        public PackedShape Shape => shape;

        public nint Address { get; } = (nint)file.Pointer;

        public byte[] Bytes => new ReadOnlySpan<byte>(file.Pointer, (int)file.Length).ToArray();

        public SavedMatrix Open() => new(shape, (nint)file.Pointer, file.Memory);

        public void Dispose() => file.Dispose();
    }

    private sealed class MemoryOf(nint address) : SafeHandle(address, ownsHandle: false)
    {
        public override bool IsInvalid => false;

        protected override bool ReleaseHandle() => true;
    }
}
