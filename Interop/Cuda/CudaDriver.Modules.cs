using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <content>Modules, launches, tensor maps.</content>
public sealed unsafe partial class CudaDriver
{
    // CUjit_option.
    private const int JitMaxRegisters = 0, JitInfoLog = 3, JitInfoLogBytes = 4, JitErrorLog = 5, JitErrorLogBytes = 6,
        JitOptimizationLevel = 7, JitLogVerbose = 12, JitLineInfo = 13, JitOptionCount = 8;

    /// <inheritdoc/>
    public CudaResult ModuleLoadData(out nint module, ReadOnlySpan<byte> image, in CudaJitOptions options, out CudaJitLog log)
    {
        byte* logs = (byte*)NativeMemory.AllocZeroed(2 * LogBytes);
        try
        {
            int* keys = stackalloc int[JitOptionCount];
            void** values = stackalloc void*[JitOptionCount];
            int count = FillJitOptions(options, logs, logs + LogBytes, keys, values);
            CudaResult result;
            fixed (nint* p = &module)
            fixed (byte* data = image)
            {
                result = CudaNative.cuModuleLoadDataEx(p, data, (uint)count, keys, values);
            }
            log = new CudaJitLog(ReadText(logs, LogBytes), ReadText(logs + LogBytes, LogBytes));
            return result;
        }
        finally
        {
            NativeMemory.Free(logs);
        }
    }

    /// <summary>Writes the options as the driver wants them: each value in the place of a pointer.</summary>
    internal static int FillJitOptions(in CudaJitOptions options, byte* information, byte* errors, int* keys, void** values)
    {
        int count = 0;
        Add(JitInfoLog, information);
        Add(JitInfoLogBytes, (void*)LogBytes);
        Add(JitErrorLog, errors);
        Add(JitErrorLogBytes, (void*)LogBytes);
        if (options.MaxRegisters is int registers)
        {
            Add(JitMaxRegisters, (void*)(nint)registers);
        }
        if (options.OptimizationLevel is int level)
        {
            Add(JitOptimizationLevel, (void*)(nint)level);
        }
        if (options.Verbose)
        {
            Add(JitLogVerbose, (void*)1);
        }
        if (options.LineInfo)
        {
            Add(JitLineInfo, (void*)1);
        }
        return count;

        void Add(int key, void* value)
        {
            keys[count] = key;
            values[count++] = value;
        }
    }

    /// <inheritdoc/>
    public CudaResult ModuleUnload(nint module) => CudaNative.cuModuleUnload(module);

    /// <inheritdoc/>
    public CudaResult ModuleGetFunction(out nint function, nint module, string name)
    {
        fixed (nint* p = &function)
        {
            return CudaNative.cuModuleGetFunction(p, module, name);
        }
    }

    /// <inheritdoc/>
    public CudaResult ModuleGetGlobal(out nint address, out nuint bytes, nint module, string name)
    {
        fixed (nint* p = &address)
        fixed (nuint* n = &bytes)
        {
            return CudaNative.cuModuleGetGlobal_v2(p, n, module, name);
        }
    }

    /// <inheritdoc/>
    public CudaResult FuncGetAttribute(out int value, CudaFunctionAttribute attribute, nint function)
    {
        fixed (int* p = &value)
        {
            return CudaNative.cuFuncGetAttribute(p, attribute, function);
        }
    }

    /// <inheritdoc/>
    public CudaResult FuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value) =>
        CudaNative.cuFuncSetAttribute(function, attribute, value);

    /// <inheritdoc/>
    public CudaResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int threadsPerBlock, nuint dynamicSharedBytes)
    {
        fixed (int* p = &blocks)
        {
            return CudaNative.cuOccupancyMaxActiveBlocksPerMultiprocessor(p, function, threadsPerBlock, dynamicSharedBytes);
        }
    }

    /// <inheritdoc/>
    public CudaResult LaunchKernel(nint function, in CudaLaunchConfig config, nint stream, void** arguments)
    {
        LaunchAttribute* attributes = stackalloc LaunchAttribute[LaunchConfig.MaxAttributes];
        LaunchConfig c = LaunchConfig.Fill(config, stream, attributes);
        return config.HasAttributes
            ? CudaNative.cuLaunchKernelEx(&c, function, arguments, null)
            : CudaNative.cuLaunchKernel(function, c.GridX, c.GridY, c.GridZ, c.BlockX, c.BlockY, c.BlockZ, c.SharedBytes, stream, arguments, null);
    }

    /// <inheritdoc/>
    public CudaResult TensorMapEncodeTiled(out CudaTensorMap map, CudaTensorDescription description)
    {
        int rank = description.Extents.Count;
        ulong* extents = stackalloc ulong[rank];
        ulong* strides = stackalloc ulong[rank];
        uint* box = stackalloc uint[rank];
        uint* steps = stackalloc uint[rank];
        for (int i = 0; i < rank; i++)
        {
            extents[i] = (ulong)description.Extents[i];
            strides[i] = i + 1 < rank ? (ulong)description.Strides[i] : 0;
            box[i] = (uint)description.Box[i];
            steps[i] = 1;
        }
        // The driver writes to a multiple of 64 only; C# structs cannot promise that.
        byte* room = stackalloc byte[sizeof(CudaTensorMap) + CudaTensorMap.Alignment];
        byte* aligned = (byte*)(((nuint)room + CudaTensorMap.Alignment - 1) & ~(nuint)(CudaTensorMap.Alignment - 1));
        CudaResult result = CudaNative.cuTensorMapEncodeTiled(
            aligned, description.Type, (uint)rank, description.Address, extents, strides, box, steps, 0, description.Swizzle, description.Promotion, 0);
        map = result == CudaResult.Success ? *(CudaTensorMap*)aligned : default;
        return result;
    }
}
