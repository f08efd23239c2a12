using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>Streams that do their work at the last moment: when that is, and what memory in flight shows.</summary>
public sealed unsafe class DeferredWorkTests : IDisposable
{
    private readonly DriverFixture _fixture = new(new EmulatedDriverOptions { DeferWork = true });
    private readonly CudaStream _stream;
    private readonly CudaMemory _data;
    private readonly PinnedMemory _host;

    public DeferredWorkTests()
    {
        _stream = CudaStream.Create(Context);
        _data = CudaMemory.Allocate(Context, 256);
        _host = PinnedMemory.Allocate(Context, 256);
        Host.Clear();
    }

    private CudaContext Context => _fixture.Context;

    private EmulatedCudaDriver Driver => _fixture.Driver;

    private Span<int> Host => new(_host.Pointer, 64);

    /// <summary>What device memory holds, without waiting for the stream.</summary>
    private int[] Device
    {
        get
        {
            int[] read = new int[64];
            _data.Read<int>(read);
            return read;
        }
    }

    public void Dispose()
    {
        _data.Dispose();
        _host.Dispose();
        _stream.Dispose();
        _fixture.Dispose();
    }

    [Theory]
    [InlineData("stream")]
    [InlineData("query")]
    [InlineData("context")]
    [InlineData("event")]
    [InlineData("event query")]
    [InlineData("other stream")]
    [InlineData("download")]
    public void WorkIsDoneWhenSomebodyWaits(string how)
    {
        _data.Write<int>(new int[64]);
        Host.Fill(5);
        _stream.Upload(_data.Address, _host.Pointer, 256);
        using CudaEvent mark = CudaEvent.Create(Context);
        mark.Record(_stream);
        Assert.All(Device, value => Assert.Equal(0, value));
        switch (how)
        {
            case "stream":
                _stream.Synchronize();
                break;
            case "query":
                Assert.True(_stream.IsIdle());
                break;
            case "context":
                Context.Synchronize();
                break;
            case "event":
                mark.Synchronize();
                break;
            case "event query":
                Assert.True(mark.IsReached());
                break;
            case "other stream":
                using (CudaStream other = CudaStream.Create(Context))
                {
                    other.WaitFor(mark);
                    Assert.All(Device, value => Assert.Equal(0, value));
                    other.Synchronize();
                }
                break;
            case "download":
                int* there = stackalloc int[1];
                _stream.Download(there, _data.Address, 4);
                Assert.Equal(5, *there);
                break;
        }
        Assert.All(Device, value => Assert.Equal(5, value));
    }

    [Fact]
    public void OnlyWhatStandsBeforeTheMarkIsDone()
    {
        _stream.Fill(_data.Address, 1, 256);
        using CudaEvent mark = CudaEvent.Create(Context, timing: true), later = CudaEvent.Create(Context, timing: true);
        mark.Record(_stream);
        _stream.Fill(_data.Address, 2, 256);
        later.Record(_stream);
        mark.Synchronize();
        Assert.Equal(0x01010101, Device[0]);
        Assert.Equal(CudaResult.NotReady, DriverFixture.ResultOf(() => later.MillisecondsSince(mark)));
        later.Synchronize();
        Assert.Equal(0x02020202, Device[0]);
        Assert.InRange(later.MillisecondsSince(mark), 0, 60_000);
    }

    [Fact]
    public void LaunchesGraphsHostFunctionsAndFreesKeepTheirOrder()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels);
        using CudaKernelArguments arguments = DriverFixture.Fill(_data, 7);
        CudaFunction fill = module.GetFunction("fill");
        using CudaGraph graph = _stream.Capture(() => fill.Launch(_stream, new(new(1), new(64)), arguments));
        using CudaGraphExec executable = graph.Instantiate();
        CudaMemory other = CudaMemory.AllocateAsync(_stream, 256);
        List<int> seen = [];
        executable.Launch(_stream);
        _stream.Copy(other.Address, _data.Address, 256);
        _stream.Download(_host.Pointer, other.Address, 256);
        other.Dispose();
        _stream.AddHostFunction(() => seen.Add(Host[63]));
        _stream.Fill(_data.Address, 0, 256);
        Assert.Empty(seen);
        Assert.Equal(0, Host[63]);
        _stream.Synchronize();
        Assert.Equal([70], seen);
        Assert.Equal(0, Device[0]);
        Assert.Empty(Driver.Findings);
    }

    [Fact]
    public void ADestroyedStreamStillDoesItsWork()
    {
        CudaStream other = CudaStream.Create(Context);
        other.Fill(_data.Address, 3, 256);
        other.Dispose();
        Context.Synchronize();
        Assert.Equal(0x03030303, Device[0]);
    }

    [Fact]
    public void MemoryThatIsNotPinnedMayChangeAtOnce()
    {
        int[] values = [9, 8];
        fixed (int* pointer = values)
        {
            _stream.Upload(_data.Address, pointer, 8);
            values[0] = 1;
            _stream.Synchronize();
        }
        int[] read = new int[2];
        _data.Read<int>(read);
        Assert.Equal([9, 8], read);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void PinnedMemoryThatChangesInFlightIsFound(bool graph)
    {
        Upload(graph);
        Host[3] = 1;
        PtxFinding finding = Found(_stream.Synchronize);
        Assert.Contains("The host changed 256 bytes", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PinnedMemoryThatEarlierWorkFillsIsNoFinding()
    {
        _stream.Fill(_data.Address, 1, 256);
        _stream.Download(_host.Pointer, _data.Address, 128);
        _stream.Upload(_data.Address + 128, _host.Pointer, 128);
        _stream.AddHostFunction(() => Host.Fill(6));
        _stream.Upload(_data.Address, _host.Pointer, 64);
        _stream.Synchronize();
        Assert.Equal([6, 0x01010101], [Device[0], Device[40]]);
        Assert.Empty(Driver.Findings);
    }

    [Theory]
    [InlineData("upload")]
    [InlineData("download")]
    [InlineData("graph")]
    [InlineData("registered")]
    public void PinnedMemoryThatIsFreedInFlightIsFound(string how)
    {
        _data.Write<int>(new int[64]);
        int[] values = new int[64];
        fixed (int* pointer = values)
        {
            PinnedMemory other = how == "registered" ? PinnedMemory.Register(Context, pointer, 256) : PinnedMemory.Allocate(Context, 256);
            new Span<int>(other.Pointer, 64).Clear();
            switch (how)
            {
                case "download":
                    _stream.Download(other.Pointer, _data.Address, 256);
                    break;
                case "graph":
                    using (CudaGraph graph = _stream.Capture(() => _stream.Upload(_data.Address, other.Pointer, 256)))
                    using (CudaGraphExec executable = graph.Instantiate())
                    {
                        executable.Launch(_stream);
                    }
                    break;
                default:
                    _stream.Upload(_data.Address, other.Pointer, 256);
                    break;
            }
            other.Dispose();
            PtxFinding finding = Found(_stream.Synchronize);
            Assert.Contains("still to use", finding.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void DeviceMemoryThatIsFreedUnderACopyIsAFault()
    {
        CudaMemory other = CudaMemory.Allocate(Context, 256);
        _stream.Copy(_data.Address, other.Address, 256);
        _stream.Upload(other.Address, _host.Pointer, 256);
        other.Dispose();
        CudaException error = Assert.Throws<CudaException>(_stream.Synchronize);
        Assert.Equal(CudaResult.IllegalAddress, error.Result);
        Assert.Contains("is not inside an allocation", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DeviceMemoryThatIsFreedUnderAKernelIsFoundThoughSomebodyElseHasItsPlace()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels);
        CudaMemory other = CudaMemory.Allocate(Context, 256);
        using CudaKernelArguments arguments = DriverFixture.Fill(other, 7);
        module.GetFunction("fill").Launch(_stream, new(new(1), new(64)), arguments);
        other.Dispose();
        using CudaMemory next = CudaMemory.Allocate(Context, 256);
        Assert.Equal(CudaResult.IllegalAddress, DriverFixture.ResultOf(_stream.Synchronize));
        Assert.Equal(PtxFindingKind.OutOfBounds, Assert.Single(Driver.Findings).Kind);
    }

    [Fact]
    public void AFaultEndsAllThatWaits()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels);
        using var none = new CudaKernelArguments();
        bool ran = false;
        module.GetFunction("broken").Launch(_stream, new(new(1), new(1)), none);
        _stream.AddHostFunction(() => ran = true);
        CudaException error = Assert.Throws<CudaException>(_stream.Synchronize);
        Assert.Equal(CudaResult.LaunchFailed, error.Result);
        Assert.Contains("Trap in broken", error.Message, StringComparison.Ordinal);
        // Whoever comes later is told the same.
        Assert.Contains("Trap in broken", Assert.Throws<CudaException>(Context.Synchronize).Message, StringComparison.Ordinal);
        Assert.False(ran);
    }

    private void Upload(bool graph)
    {
        if (!graph)
        {
            _stream.Upload(_data.Address, _host.Pointer, 256);
            return;
        }
        using CudaGraph captured = _stream.Capture(() => _stream.Upload(_data.Address, _host.Pointer, 256));
        using CudaGraphExec executable = captured.Instantiate();
        executable.Launch(_stream);
    }

    private PtxFinding Found(Action wait)
    {
        Assert.Equal(CudaResult.IllegalAddress, DriverFixture.ResultOf(wait));
        PtxFinding finding = Assert.Single(Driver.Findings);
        Assert.Equal(PtxFindingKind.InFlight, finding.Kind);
        return finding;
    }
}
