using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Operations of the CUDA backend against those of the CPU, its memory, and what it refuses.</summary>
public sealed unsafe class CudaBackendTests : IDisposable
{
    private readonly EmulatedBackend _emulated = new();
    private readonly CpuBackend _cpu = new(new CpuBackendOptions { Threads = 1 });

    private CudaBackend Cuda => _emulated.Backend;

    public void Dispose()
    {
        _cpu.Dispose();
        _emulated.Dispose();
    }

    [Fact]
    public void MemoryIsZeroedReusedAndComesBack()
    {
        int before = _emulated.Driver.LiveResources;
        DeviceMemory first = Cuda.Allocate(1000), second = Cuda.Allocate(5000);
        Assert.Equal(0, first.Address % 256);
        Cuda.Upload(Enumerable.Repeat(3f, 250).ToArray(), first.View(1, 250));
        nint address = first.Address;
        first.Dispose();
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => first.Address);
        using DeviceMemory again = Cuda.Allocate(1000);
        Assert.Equal(address, again.Address);
        float[] read = new float[250];
        Cuda.Download(again.View(1, 250), read);
        Assert.All(read, value => Assert.Equal(0f, value));
        second.Dispose();
        // One piece of the arena serves all of them; a request larger than a piece gets its own.
        Assert.Equal(before + 1, _emulated.Driver.LiveResources);
        Cuda.Allocate(5 << 20).Dispose();
        Assert.Equal(before + 2, _emulated.Driver.LiveResources);
        Assert.Throws<ArgumentOutOfRangeException>(() => Cuda.Allocate(-1));
    }

    [Fact]
    public void UploadsLargerThanTheStagingGoInParts()
    {
        const int Count = 700_001;
        using DeviceMemory memory = Cuda.Allocate(Count * sizeof(float));
        float[] values = [.. Enumerable.Range(0, Count).Select(i => (float)i)];
        float[] read = new float[Count];
        Cuda.Upload(values, memory.View(1, Count));
        Cuda.Download(memory.View(1, Count), read);
        Assert.Equal(values, read);
        Assert.Throws<ArgumentException>(() => Cuda.Upload(values, memory.View(1, 5)));
        Assert.Throws<ArgumentException>(() => Cuda.Download(memory.View(1, 5), read));
    }

    [Theory]
    [InlineData(ElementType.F32, null, "f32")]
    [InlineData(ElementType.F16, null, "f32")]
    [InlineData(ElementType.BF16, null, "bf16")]
    [InlineData(ElementType.F8E4M3, null, "fp8")]
    [InlineData(ElementType.BF16, "fp8a", "fp8a")]
    [InlineData(ElementType.F8E4M3, "fp8a", "fp8a")]
    [InlineData(ElementType.BF16, "int4", "int4")]
    [InlineData(ElementType.F16, "bf16", "bf16")]
    [InlineData(ElementType.F32, "bf16", "bf16")]
    [InlineData(ElementType.BF16, "fp8", "fp8")]
    [InlineData(ElementType.BF16, "f32", "f32")]
    public void ProductsEqualTheCpus(ElementType stored, string? name, string packed)
    {
        WeightFormat? format = name is null ? null : WeightFormat.Get(name);
        const int Columns = 256;
        byte[] a = Weights(stored, 40 * Columns), b = Weights(stored, 30 * Columns);
        float[] scales = [.. Enumerable.Range(1, 70).Select(i => i * 0.01f)];
        fixed (byte* pa = a, pb = b)
        fixed (float* ps = scales)
        {
            nint s = stored == ElementType.F8E4M3 ? (nint)ps : 0;
            // The second lies transposed: [in, out].
            MatrixSource[] sources =
            [
                MatrixSource.RowMajor((nint)pa, stored, 40, Columns) with { RowScales = s },
                new StridedMatrix((nint)pb, stored, 30, Columns, 1, 30, s == 0 ? 0 : s + 160),
            ];
            using IMatrix mine = Cuda.Pack(sources, format), theirs = _cpu.Pack(sources, format);
            Assert.Equal((70, Columns, packed, "rows"), (mine.Rows, mine.Columns, mine.Format.Name, mine.Layout));
            Assert.Equal((mine.Format, "panels32"), (theirs.Format, theirs.Layout));
            Assert.Equal(mine.Format.Bytes(70, Columns), mine.Bytes);
            float[] bias = Random(70, 4);
            foreach (int rows in new[] { 1, 3, 9, 70 })
            {
                float[] x = Random(rows * Columns, rows);
                float[] expected = Run(_cpu, backend => (x, rows, theirs, bias));
                float[] actual = Run(Cuda, backend => (x, rows, mine, bias));
                float range = expected.Max() - expected.Min();
                Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 2e-6f * range));
            }
        }
    }

    [Fact]
    public void WhatBelongsToAnotherBackendIsRefused()
    {
        float[] data = Random(64 * 64, 1);
        fixed (float* p = data)
        {
            MatrixSource source = MatrixSource.RowMajor((nint)p, ElementType.F32, 64, 64);
            using IMatrix theirs = _cpu.Pack([source]), mine = Cuda.Pack([source]);
            using IEmbedding table = _cpu.CreateEmbedding(source);
            using Routing routing = _cpu.CreateRouting(4, 2, 1), own = Cuda.CreateRouting(4, 2, 1);
            using DeviceMemory memory = Cuda.Allocate(1 << 16);
            Tensor x = memory.View(4, 64), y = memory.View(4, 64, 4096);
            Assert.Contains("PackedMatrix", Assert.Throws<ArgumentException>(() => Cuda.Linear(x, theirs, null, y)).Message);
            Assert.Throws<ArgumentException>(() => Cuda.Linear(x, mine, memory.View(1, 63), y));
            Assert.Throws<ArgumentException>(() => Cuda.Linear(x, mine, null, memory.View(4, 63)));
            Assert.Throws<ArgumentException>(() => Cuda.Embed(table, [1, 2, 3, 4], x));
            Assert.Throws<ArgumentException>(() => Cuda.RouteTopK(memory.View(4, 2), routing));
            Assert.Throws<ArgumentException>(() => Cuda.RouteTopK(memory.View(5, 2), own));
            Cuda.RouteTopK(memory.View(4, 2), own);
            // Two matrices that were packed apart are no stack.
            using IMatrix down = Cuda.Pack([source with { Columns = 32 }]);
            ExpertWeights expert = new(mine, down);
            ArgumentException error = Assert.Throws<ArgumentException>(() => Cuda.ExpertFeedForward(x, own, [expert, expert], y));
            Assert.Contains("PackStack", error.Message);
            Assert.Throws<ArgumentException>(() => Cuda.Pack([]));
            Assert.Throws<ArgumentException>(() => Cuda.Pack([source], WeightFormat.Int4));
            Assert.Throws<ArgumentException>(() => Cuda.Pack([source, source with { Columns = 32 }]));
            using IEmbedding ownTable = Cuda.CreateEmbedding(source);
            Assert.Throws<ArgumentOutOfRangeException>(() => Cuda.Embed(ownTable, [0, 64, 0, 0], x));
        }
    }

    [Fact]
    public void AStackIsOfEqualMatricesAndFreedWithItsLast()
    {
        float[] data = Random(2 * 64 * 64, 1);
        int before = _emulated.Driver.LiveResources;
        fixed (float* p = data)
        {
            StridedMatrix source = MatrixSource.RowMajor((nint)p, ElementType.F32, 64, 64);
            IMatrix[] stack = Cuda.PackStack(2, i => ([source with { Data = source.Data + i * 64 * 64 * sizeof(float) }], (WeightFormat?)null));
            Assert.Equal(((CudaMatrix)stack[0]).Address + 64 * 64 * sizeof(float), ((CudaMatrix)stack[1]).Address);
            stack[0].Dispose();
            stack[0].Dispose();
            Assert.Equal(before + 1, _emulated.Driver.LiveResources);
            stack[1].Dispose();
            Assert.Equal(before, _emulated.Driver.LiveResources);
            Assert.Throws<ArgumentException>(() => Cuda.PackStack(2, i => ([source with { Rows = 64 - i }], (WeightFormat?)null)));
            Assert.Throws<InvalidOperationException>(() => Cuda.PackStack(2, i => i == 0 ? ([source], (WeightFormat?)null) : throw new InvalidOperationException("cancelled")));
            Assert.Equal(before, _emulated.Driver.LiveResources);
        }
    }

    [Fact]
    public void TheCpusStackFreesWhatWasPackedBeforeAFailure()
    {
        float[] data = Random(64, 1);
        fixed (float* p = data)
        {
            MatrixSource source = MatrixSource.RowMajor((nint)p, ElementType.F32, 8, 8);
            IBackend cpu = _cpu;
            Assert.Equal(3, cpu.PackStack(3, _ => ([source], (WeightFormat?)null)).Length);
            Assert.Throws<InvalidOperationException>(() => cpu.PackStack(2, i => i == 0 ? ([source], (WeightFormat?)null) : throw new InvalidOperationException("cancelled")));
        }
    }

    [Fact]
    public void EqualStepsBecomeOneGraph()
    {
        using DeviceMemory memory = Cuda.Allocate(1 << 16);
        Tensor x = memory.View(4, 64), sum = memory.View(4, 64, 4096), angles = memory.View(4, 64, 8192);
        Cuda.Upload(Enumerable.Repeat(1f, 256).ToArray(), x);
        float[] read = new float[256];
        void Step(int adds, int position)
        {
            Cuda.BeginStep(4, repeats: true);
            Cuda.RopeAngles(new float[32], [position, 0, 0, 0], angles);
            for (int i = 0; i < adds; i++)
            {
                Cuda.Add(x, sum);
            }
            Cuda.EndStep();
            Cuda.Download(sum, read);
        }
        for (int i = 1; i <= 4; i++)
        {
            Step(2, i);
            Assert.Equal(2f * i, read[255]);
        }
        Assert.Equal((1, 3), Cuda.Graphs);
        // Another shape runs by itself, and the first is still known.
        Step(3, 0);
        Step(2, 0);
        Assert.Equal(13f, read[0]);
        Assert.Equal((1, 4), Cuda.Graphs);

        // A result that is asked for in the middle ends the collecting; so does nothing at all.
        Cuda.BeginStep(4, repeats: true);
        Cuda.Add(x, sum);
        Cuda.Download(sum, read);
        Assert.Equal(14f, read[0]);
        Cuda.Add(x, sum);
        Cuda.EndStep();
        Cuda.Download(sum, read);
        Assert.Equal(15f, read[0]);
        // A step that an exception left open does nothing.
        Cuda.BeginStep(4, repeats: true);
        Cuda.Add(x, sum);
        Cuda.BeginStep(4, repeats: true);
        Cuda.EndStep();
        Cuda.Download(sum, read);
        Assert.Equal(15f, read[0]);
    }

    [Fact]
    public void TheOldestOfManyGraphsMakesRoom()
    {
        using var emulated = new EmulatedBackend(new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 20, MaxGraphs = 8 });
        CudaBackend backend = emulated.Backend;
        using DeviceMemory memory = backend.Allocate(1 << 16);
        Tensor x = memory.View(4, 64), sum = memory.View(4, 64, 4096);
        backend.Upload(Enumerable.Repeat(1f, 256).ToArray(), x);
        float[] read = new float[256];
        int expected = 0;
        for (int shape = 1; shape <= 10; shape++)
        {
            for (int i = 0; i < 3; i++)
            {
                backend.BeginStep(1, repeats: true);
                for (int add = 0; add < shape; add++)
                {
                    backend.Add(x, sum);
                }
                backend.EndStep();
                expected += shape;
            }
        }
        backend.Download(sum, read);
        Assert.Equal(expected, read[0]);
        Assert.Equal((10, 20), backend.Graphs);
    }

    [Fact]
    public void AKernelsArgumentsAreCheckedAgainstItsModule()
    {
        using var queue = new CudaQueue(CudaContext.RetainPrimary(_emulated.Driver), EmulatedBackend.Modules, null, arenaBytes: 1 << 20, stagingBytes: 1 << 16, graphs: 8);
        Assert.Contains("'x', View", Assert.Throws<InvalidOperationException>(() => queue.Call("gelu").Value(1)).Message);
        Assert.Contains("takes 2 arguments and got 1", Assert.Throws<InvalidOperationException>(() => queue.Call("gelu").View(0, 0).Run(new(1))).Message);
        Assert.Contains("nothing more", Assert.Throws<InvalidOperationException>(() => queue.Call("gelu").View(0, 0).Value(1L).Value(1)).Message);
        Assert.Throws<ArgumentException>(() => queue.Call("no_such_kernel"));
        queue.Context.Dispose();
    }

    [Fact]
    public void EveryOperationHasItsKernels()
    {
        IReadOnlyList<KernelChoice> choices = KernelChoices.List(EmulatedBackend.Modules);
        Assert.DoesNotContain(choices, choice => choice.Source == "missing");
        string[] operations = [.. choices.Select(choice => choice.Operation).Distinct()];
        Assert.All(operations, operation => Assert.NotNull(typeof(IBackend).GetMethod(operation)));
        Assert.Equal(["attention_split_page64_bf16", "attention_split_page32_bf16", "attention_prefill_page64_bf16", "attention_prefill_page32_bf16", "attention_split_f32", "attention_split_bf16", "attention_f32", "attention_bf16", "attention_combine"], choices.Where(choice => choice.Operation == "Attention").Select(choice => choice.Kernel));
        Assert.Contains(choices, choice => choice is { Operation: "Linear", Kernel: "matvec_int4" });
    }

    private static float[] Run(IBackend backend, Func<IBackend, (float[] X, int Rows, IMatrix Weight, float[] Bias)> make)
    {
        (float[] x, int rows, IMatrix weight, float[] bias) = make(backend);
        using DeviceMemory input = backend.Allocate(x.Length * sizeof(float)), offset = backend.Allocate(bias.Length * sizeof(float)), output = backend.Allocate((long)rows * weight.Rows * sizeof(float));
        backend.Upload(x, input.View(rows, weight.Columns));
        backend.Upload(bias, offset.View(1, bias.Length));
        backend.Linear(input.View(rows, weight.Columns), weight, offset.View(1, bias.Length), output.View(rows, weight.Rows));
        float[] y = new float[rows * weight.Rows];
        backend.Download(output.View(rows, weight.Rows), y);
        return y;
    }

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
    }

    private static byte[] Weights(ElementType type, int count)
    {
        float[] values = Random(count, count);
        return type switch
        {
            ElementType.F32 => [.. values.SelectMany(BitConverter.GetBytes)],
            ElementType.F16 => [.. values.SelectMany(value => BitConverter.GetBytes((Half)value))],
            ElementType.BF16 => [.. values.SelectMany(value => BitConverter.GetBytes(Bf16.FromSingle(value)))],
            _ => [.. values.Select(Fp8.FromSingle)],
        };
    }
}
