using System.Text;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>
/// A driver of two made-up devices that notes every call, keeps device memory on the host, knows which handles are alive
/// and fails where a test wants it. It runs no kernels.
/// </summary>
internal sealed unsafe partial class RecordingDriver : ICudaDriver
{
    private readonly Dictionary<string, CudaResult> _failures = [];
    private readonly Dictionary<string, List<nint>> _alive = [];
    private readonly ThreadLocal<nint> _current = new();
    private nint _next = 0x1000;

    public string Description => "recording driver";

    /// <summary>Every call with its most telling arguments.</summary>
    public List<string> Calls { get; } = [];

    /// <summary>Context that is current on this thread.</summary>
    public nint Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>The context in which each resource was given back.</summary>
    public List<(string Call, nint Context)> Releases { get; } = [];

    /// <summary>The image given last, options, and what the compiler shall write.</summary>
    public byte[] Image { get; private set; } = [];

    public CudaJitOptions JitOptions { get; private set; }

    public CudaJitLog JitLog { get; set; }

    /// <summary>Launches: configuration, stream, first eight bytes of each of <see cref="ArgumentCount"/> arguments.</summary>
    public List<(nint Function, CudaLaunchConfig Config, nint Stream, ulong[] Arguments)> Launches { get; } = [];

    public int ArgumentCount { get; set; }

    /// <summary>Nothing is noted but how often a context was made current: a call allocates nothing.</summary>
    public bool IsQuiet { get; set; }

    /// <summary>Times that a context was made current since <see cref="IsQuiet"/>.</summary>
    public int Binds { get; set; }

    public Dictionary<CudaFunctionAttribute, int> FunctionAttributes { get; } = new()
    {
        [CudaFunctionAttribute.MaxDynamicSharedSizeBytes] = 48 * 1024,
        [CudaFunctionAttribute.RegisterCount] = 40,
    };

    /// <summary>Handles of a kind that were made and not given back.</summary>
    public IReadOnlyList<nint> Alive(string kind) => _alive.GetValueOrDefault(kind) ?? [];

    public int AliveCount => _alive.Values.Sum(list => list.Count);

    /// <summary>From now on a function returns this; <see cref="CudaResult.Success"/> ends that.</summary>
    public void Fail(string function, CudaResult result) => _failures[function] = result;

    public CudaResult DriverGetVersion(out int version)
    {
        version = 12080;
        return Note(nameof(DriverGetVersion));
    }

    public CudaResult DeviceGetCount(out int count)
    {
        count = 2;
        return Note(nameof(DeviceGetCount));
    }

    public CudaResult DeviceGet(out int device, int ordinal)
    {
        device = 70 + ordinal;
        CudaResult result = Note(nameof(DeviceGet), ordinal);
        return ordinal is 0 or 1 ? result : CudaResult.InvalidDevice;
    }

    public CudaResult DeviceGetName(out string name, int device)
    {
        name = $"Made-up {device - 70}";
        return Note(nameof(DeviceGetName), device);
    }

    public CudaResult DeviceGetUuid(out Guid uuid, int device)
    {
        uuid = new Guid(device, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]);
        return Note(nameof(DeviceGetUuid), device);
    }

    public CudaResult DeviceTotalMem(out long bytes, int device)
    {
        bytes = 80L << 30;
        return Note(nameof(DeviceTotalMem), device);
    }

    public CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device)
    {
        value = attribute switch
        {
            CudaDeviceAttribute.ComputeCapabilityMajor => 9,
            CudaDeviceAttribute.ComputeCapabilityMinor => 0,
            CudaDeviceAttribute.MultiprocessorCount => 132,
            CudaDeviceAttribute.MaxSharedMemoryPerBlockOptin => 232448,
            CudaDeviceAttribute.L2CacheSize => 50 << 20,
            _ => (int)attribute,
        };
        return Note(nameof(DeviceGetAttribute), attribute, device);
    }

    public CudaResult DeviceCanAccessPeer(out bool can, int device, int peer)
    {
        can = device != peer;
        return Note(nameof(DeviceCanAccessPeer), device, peer);
    }

    public CudaResult DevicePrimaryCtxRetain(out nint context, int device) => Make("context", out context, nameof(DevicePrimaryCtxRetain), device);

    public CudaResult DevicePrimaryCtxRelease(int device) => Drop("context", Alive("context")[0], nameof(DevicePrimaryCtxRelease), device);

    public CudaResult CtxSetCurrent(nint context)
    {
        CudaResult result = Note(nameof(CtxSetCurrent));
        if (result == CudaResult.Success)
        {
            Current = context;
        }
        return result;
    }

    public CudaResult CtxGetCurrent(out nint context)
    {
        context = Current;
        return Note(nameof(CtxGetCurrent));
    }

    public CudaResult CtxGetDevice(out int device)
    {
        device = 71;
        return Note(nameof(CtxGetDevice));
    }

    public CudaResult CtxSynchronize() => InContext(nameof(CtxSynchronize));

    public CudaResult CtxEnablePeerAccess(nint peer) => InContext(nameof(CtxEnablePeerAccess), peer);

    public CudaResult ModuleLoadData(out nint module, ReadOnlySpan<byte> image, in CudaJitOptions options, out CudaJitLog log)
    {
        Image = image.ToArray();
        JitOptions = options;
        log = JitLog;
        return Make("module", out module, nameof(ModuleLoadData));
    }

    public CudaResult ModuleUnload(nint module) => Drop("module", module, nameof(ModuleUnload));

    public CudaResult ModuleGetFunction(out nint function, nint module, string name)
    {
        function = module + 7;
        return InContext(nameof(ModuleGetFunction), name);
    }

    public CudaResult ModuleGetGlobal(out nint address, out nuint bytes, nint module, string name)
    {
        (address, bytes) = (module + 9, 12);
        return InContext(nameof(ModuleGetGlobal), name);
    }

    public CudaResult LinkCreate(out nint linker, in CudaJitOptions options)
    {
        JitOptions = options;
        return Make("linker", out linker, nameof(LinkCreate));
    }

    public CudaResult LinkAddData(nint linker, CudaLinkInput kind, ReadOnlySpan<byte> data, string name)
    {
        Image = data.ToArray();
        return InContext(nameof(LinkAddData), kind, name);
    }

    public CudaResult LinkComplete(nint linker, out byte[] image)
    {
        image = [1, 2, 3];
        return InContext(nameof(LinkComplete));
    }

    public CudaResult LinkDestroy(nint linker) => Drop("linker", linker, nameof(LinkDestroy));

    public CudaJitLog LinkLog(nint linker) => JitLog;

    public CudaResult FuncGetAttribute(out int value, CudaFunctionAttribute attribute, nint function)
    {
        value = FunctionAttributes.GetValueOrDefault(attribute);
        return InContext(nameof(FuncGetAttribute), attribute);
    }

    public CudaResult FuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value)
    {
        FunctionAttributes[attribute] = value;
        return InContext(nameof(FuncSetAttribute), attribute, value);
    }

    public CudaResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int threadsPerBlock, nuint dynamicSharedBytes)
    {
        blocks = 2048 / threadsPerBlock;
        return InContext(nameof(OccupancyMaxActiveBlocksPerMultiprocessor), threadsPerBlock, dynamicSharedBytes);
    }

    public CudaResult LaunchKernel(nint function, in CudaLaunchConfig config, nint stream, void** arguments)
    {
        if (IsQuiet)
        {
            return CudaResult.Success;
        }
        ulong[] values = new ulong[ArgumentCount];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = *(ulong*)arguments[i];
        }
        Launches.Add((function, config, stream, values));
        return InContext(nameof(LaunchKernel));
    }

    public CudaResult TensorMapEncodeTiled(out CudaTensorMap map, CudaTensorDescription description)
    {
        map = default;
        map.Bytes.Fill(0xA5);
        return InContext(nameof(TensorMapEncodeTiled));
    }

    private CudaResult Note(string function, params object[] arguments)
    {
        if (IsQuiet)
        {
            Binds += function == nameof(CtxSetCurrent) ? 1 : 0;
            return _failures.GetValueOrDefault(function);
        }
        lock (Calls)
        {
            var text = new StringBuilder(function);
            if (arguments.Length > 0)
            {
                text.Append('(').AppendJoin(", ", arguments).Append(')');
            }
            Calls.Add(text.ToString());
            return _failures.GetValueOrDefault(function);
        }
    }

    /// <summary>A call that needs a current context, as most do.</summary>
    private CudaResult InContext(string function, params object[] arguments)
    {
        CudaResult result = Note(function, arguments);
        return result == CudaResult.Success && Current == 0 ? CudaResult.InvalidContext : result;
    }

    private CudaResult Make(string kind, out nint handle, string function, params object[] arguments)
    {
        CudaResult result = kind == "context" ? Note(function, arguments) : InContext(function, arguments);
        handle = 0;
        if (result == CudaResult.Success)
        {
            handle = _next += 0x100;
            Own(kind, handle);
        }
        return result;
    }

    private void Own(string kind, nint handle)
    {
        lock (_alive)
        {
            if (!_alive.TryGetValue(kind, out List<nint>? list))
            {
                _alive[kind] = list = [];
            }
            list.Add(handle);
        }
    }

    private CudaResult Drop(string kind, nint handle, string function, params object[] arguments)
    {
        CudaResult result = Note(function, arguments);
        lock (_alive)
        {
            Releases.Add((function, Current));
            return result != CudaResult.Success ? result : _alive[kind].Remove(handle) ? result : CudaResult.InvalidHandle;
        }
    }
}
