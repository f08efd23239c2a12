using System.Reflection;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>
/// The rule of operands: every operation of every backend takes each of its tensors only in its own place and element type, and
/// names the one that is not. The operations come from the interface, so that a new one fails here until it is listed.
/// </summary>
public sealed class OperandTests : IDisposable
{
    private readonly CpuBackend _cpu = new(new CpuBackendOptions { Threads = 1 });
    private readonly EmulatedBackend _emulated = new();
    private readonly EmulatedBackend _rounding = new(new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 20, Precision = ActivationPrecision.BFloat16 });

    /// <summary>Calls of each operation that are right but for what the operands spoil; false if a backend did nothing.</summary>
    private static readonly Dictionary<string, Func<Operands, bool>> s_calls = new()
    {
        [nameof(IBackend.Upload)] = o => Call(() => o.Backend.Upload(new float[6], o["destination", 2, 3])),
        [nameof(IBackend.Download)] = o => Call(() => o.Backend.Download(o["source", 2, 3], new float[6])),
        [nameof(IBackend.Copy)] = o => Call(() => o.Backend.Copy(o["x", 2, 3], o["destination", 2, 3])),
        [nameof(IBackend.TryArgMax)] = o => o.Backend.TryArgMax(o["x", 2, 3], new int[2]),
        [nameof(IBackend.TryDraw)] = o => Call(() => o.Backend.TryDraw(o["x", 2, 3], [DrawRule.Best, DrawRule.Best], new int[2])),
        [nameof(IBackend.Embed)] = o => Call(() => o.Backend.Embed(o.Table, [0, 1], o["output", 2, 32])),
        [nameof(IBackend.RmsNorm)] = o => Call(() => o.Backend.RmsNorm(o["x", 2, 32], o["weight", 1, 32], 1e-5f, o["output", 2, 32])),
        [nameof(IBackend.Linear)] = o => Call(() => o.Backend.Linear(o["x", 2, 32], o.Square, o["bias", 1, 32], o["y", 2, 32])),
        [nameof(IBackend.Add)] = o => Call(() => o.Backend.Add(o["x", 2, 32], o["destination", 2, 32])),
        [nameof(IBackend.SwiGlu)] = o => Call(() => o.Backend.SwiGlu(o["gateUp", 2, 64], o["output", 2, 32])),
        [nameof(IBackend.RopeAngles)] = o => Call(() => o.Backend.RopeAngles([1, 2], [0, 1], o["output", 2, 4])),
        [nameof(IBackend.QueryScales)] = o => Call(() => o.Backend.QueryScales([0, 1], 0.1f, 4, o["output", 2, 1])),
        [nameof(IBackend.RotateNormAndAppend)] = o => Call(() => o.Backend.RotateNormAndAppend(
            o["qkv", 2, Operands.Shape.QkvColumns], Operands.Shape, o["angles", 2, 8], 1e-5f, o["queryScales", 2, 1], o.Cache, 0)),
        [nameof(IBackend.Attention)] = o => Call(() => o.Backend.Attention(
            o["qkv", 2, Operands.Shape.QkvColumns], Operands.Shape, o.Cache, 0, o["output", 2, Operands.Shape.QueryColumns])),
        [nameof(IBackend.RouteTopK)] = o => Call(() => o.Backend.RouteTopK(o["routerLogits", 2, 2], o.Routing)),
        [nameof(IBackend.ExpertFeedForward)] = o => Call(() => o.Backend.ExpertFeedForward(o["x", 2, 32], o.Routed(), o.Experts, o["output", 2, 32])),
        [nameof(IBackend.LayerNorm)] = o => Call(() => o.Backend.LayerNorm(o["x", 2, 32], o["weight", 1, 32], o["bias", 1, 32], 1e-5f, o["output", 2, 32])),
        [nameof(IBackend.Gelu)] = o => Call(() => o.Backend.Gelu(o["x", 2, 32])),
        [nameof(IBackend.UnfoldPatches)] = o => Call(() => o.Backend.UnfoldPatches(new ushort[3 * 16], 1, 3, 4, 2, o["output", 4, 12])),
        [nameof(IBackend.AppendClassTokenAndPositions)] = o => Call(() => o.Backend.AppendClassTokenAndPositions(
            o["patches", 4, 32], o["classToken", 1, 32], o["positions", 5, 32], 1, o["x", 5, 32])),
        [nameof(IBackend.VisionAttention)] = o => Call(() => o.Backend.VisionAttention(o["qkv", 5, 48], 1, 2, o["angles", 5, 8], o["output", 5, 16])),
        [nameof(IBackend.PixelShuffle)] = o => Call(() => o.Backend.PixelShuffle(o["x", 5, 8], 1, 2, o["output", 1, 32])),
    };

    /// <summary>Calls of operations that do something only where activations may be rounded.</summary>
    private static readonly Dictionary<string, Func<Operands, bool>> s_roundingCalls = new()
    {
        [nameof(IBackend.TryNormLinear)] = o => o.Backend.TryNormLinear(
            o["x", 2, FusedOperands.Width], o["norm", 1, FusedOperands.Width], 1e-5f, o.Fused.Square, o["bias", 1, FusedOperands.Width], o["y", 2, FusedOperands.Width]),
        [nameof(IBackend.TryAttentionLinear)] = o => o.Backend.TryAttentionLinear(
            o["qkv", 2, FusedOperands.Shape.QkvColumns], FusedOperands.Shape, o.Fused.Cache, 0, o.Fused.Square, o["bias", 1, FusedOperands.Width], o["block", 2, FusedOperands.Width], o["hidden", 2, FusedOperands.Width]),
        [nameof(IBackend.TryFeedForward)] = o => o.Backend.TryFeedForward(new FeedForwardBlock(
            o["Hidden", 1, FusedOperands.Width], o["Norm", 1, FusedOperands.Width], 1e-5f, o.Fused.GateUp, o.Fused.Square, null, default, 1)),
    };

    public static TheoryData<string, bool> Operations()
    {
        var data = new TheoryData<string, bool>();
        foreach (MethodInfo method in typeof(IBackend).GetMethods().Where(method => Tensors(method).Length > 0))
        {
            data.Add(method.Name, true);
            if (HasItsOwn(typeof(CpuBackend), method))
            {
                data.Add(method.Name, false);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void EachOperandIsTakenOnlyInItsPlaceAndTypeAndNamed(string operation, bool onDevice)
    {
        bool rounds = s_roundingCalls.TryGetValue(operation, out Func<Operands, bool>? call);
        IBackend backend = onDevice ? (rounds ? _rounding : _emulated).Backend : _cpu;
        MemoryPlace place = onDevice ? MemoryPlace.Device : MemoryPlace.Host, other = onDevice ? MemoryPlace.Host : MemoryPlace.Device;
        Assert.True(rounds || s_calls.TryGetValue(operation, out call), $"{operation} has tensors and no call here: list it.");
        using var operands = new Operands(backend);
        Assert.True(call!(operands));
        string[] names = Tensors(typeof(IBackend).GetMethod(operation)!);
        Assert.Equal(names.Order(), operands.Named.Order());
        foreach (string name in names)
        {
            operands.Spoil(name, tensor => tensor with { Place = other });
            ArgumentException placed = Assert.Throws<ArgumentException>(() => { call(operands); });
            Assert.Equal(name, placed.ParamName);
            Assert.Contains(onDevice ? "F32 on the host, expected F32 on a device" : "F32 on a device, expected F32 on the host", placed.Message);

            operands.Spoil(name, tensor => tensor with { Type = ElementType.BF16 });
            ArgumentException typed = Assert.Throws<ArgumentException>(() => { call(operands); });
            Assert.Equal(name, typed.ParamName);
            Assert.Contains("BF16", typed.Message);
        }
        operands.Spoil("", tensor => tensor);
        Assert.True(call(operands));
        Assert.Equal(place, operands["x", 1, 1].Place);
    }

    [Fact]
    public void ADisposedBackendSaysSoInEveryOperation()
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 2 });
        using var operands = new Operands(backend, memory: _cpu);
        backend.Dispose();
        backend.Dispose();
        foreach ((string name, Func<Operands, bool> call) in s_calls)
        {
            Assert.True(Record.Exception(() => { call(operands); }) is ObjectDisposedException, $"{name} does not say that the backend is disposed.");
        }
        Assert.Throws<ObjectDisposedException>(() => backend.Allocate(4));
        Assert.Throws<ObjectDisposedException>(() => backend.CreateRouting(1, 1, 1));
    }

    /// <summary>Scratch memory and threads must outlive the operation that uses them.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void DisposingWhileOperationsRunEndsThemWithATypedError(int threads)
    {
        for (int moment = 0; moment < Fuzzing.Iterations(40); moment++)
        {
            var backend = new CpuBackend(new CpuBackendOptions { Threads = threads, Precision = ActivationPrecision.BFloat16 });
            using Operands mixture = new(backend, memory: _cpu), picture = new(backend, memory: _cpu);
            var ended = new Exception?[2];
            Thread[] callers =
            [
                new(() => ended[0] = Record.Exception(() => Repeat(nameof(IBackend.ExpertFeedForward), mixture))),
                new(() => ended[1] = Record.Exception(() => Repeat(nameof(IBackend.VisionAttention), picture))),
            ];
            Array.ForEach(callers, caller => caller.Start());
            Thread.SpinWait(moment * 300);
            backend.Dispose();
            Array.ForEach(callers, caller => caller.Join());
            Assert.All(ended, e => Assert.IsType<ObjectDisposedException>(e));
        }

        static void Repeat(string operation, Operands operands)
        {
            while (true)
            {
                s_calls[operation](operands);
            }
        }
    }

    [Fact]
    public void ATensorKnowsItsBytesAndItsParts()
    {
        using DeviceMemory memory = _cpu.Allocate(64);
        Tensor pairs = memory.View(ElementType.BF16, 4, 8);
        Assert.Equal((32L, 64L, MemoryPlace.Host), (pairs.Elements, pairs.Bytes, pairs.Place));
        Assert.Equal(new Tensor(memory.Address + 16, 2, 8, ElementType.BF16, MemoryPlace.Host), pairs.Slice(1, 2));
        Assert.Equal(pairs with { Rows = 2, Columns = 16 }, pairs.As(2, 16));
        Assert.Throws<ArgumentOutOfRangeException>(() => pairs.Slice(3, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => pairs.As(3, 11));
        Assert.Throws<ArgumentOutOfRangeException>(() => pairs.As(-1, -4));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.View(4, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.View(ElementType.BF16, 4, 8, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.View(1, 1, long.MaxValue));
    }

    public void Dispose()
    {
        _cpu.Dispose();
        _emulated.Dispose();
        _rounding.Dispose();
    }

    /// <summary>Names of an operation's tensors, those of a block that it takes included.</summary>
    private static string[] Tensors(MethodInfo method) =>
    [
        .. method.GetParameters().Where(parameter => IsTensor(parameter.ParameterType)).Select(parameter => parameter.Name!),
        .. method.GetParameters().Where(parameter => parameter.ParameterType.GetElementType() == typeof(FeedForwardBlock))
            .SelectMany(_ => typeof(FeedForwardBlock).GetProperties().Where(property => IsTensor(property.PropertyType)).Select(property => property.Name)),
    ];

    private static bool IsTensor(Type type) => type == typeof(Tensor) || type == typeof(Tensor?);

    /// <summary>False if a backend leaves the operation as the interface has it, which does nothing and says so.</summary>
    private static bool HasItsOwn(Type backend, MethodInfo operation)
    {
        InterfaceMapping map = backend.GetInterfaceMap(typeof(IBackend));
        return map.TargetMethods[Array.IndexOf(map.InterfaceMethods, operation)].DeclaringType != typeof(IBackend);
    }

    private static bool Call(Action run)
    {
        run();
        return true;
    }
}
