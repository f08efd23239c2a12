using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Checking;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>Modules and functions.</content>
public sealed unsafe partial class EmulatedCudaDriver
{
    /// <summary>The PTX of CUDA 13.0.</summary>
    private static readonly Version s_newestPtx = new(9, 0);

    /// <inheritdoc/>
    public CudaResult ModuleLoadData(out nint module, ReadOnlySpan<byte> image, in CudaJitOptions options, out CudaJitLog log)
    {
        module = 0;
        log = new CudaJitLog("", "");
        lock (_gate)
        {
            if (!TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            int end = image.IndexOf((byte)0);
            if (end < 0 || image.StartsWith("\u007fELF"u8))
            {
                log = new CudaJitLog("", "The emulator takes PTX text that ends with a zero byte.");
                return CudaResult.InvalidImage;
            }
            PtxProgram? program = null;
            try
            {
                string source = Encoding.UTF8.GetString(image[..end]);
                KernelSpec? spec = KernelModule.SpecOf(source);
                PtxModule text = PtxModule.Parse(source);
                CudaResult fit = CheckTarget(text, out int target, out string reason);
                if (fit != CudaResult.Success)
                {
                    log = new CudaJitLog("", reason);
                    return fit;
                }
                string[] errors = [.. PtxChecker.Check(text).Where(one => one.Severity == PtxSeverity.Error).Select(one => one.ToString())];
                if (errors.Length > 0)
                {
                    log = new CudaJitLog("", string.Join('\n', errors));
                    return CudaResult.InvalidPtx;
                }
                if (spec is not null && SpecCheck.Difference(spec, text) is string difference)
                {
                    log = new CudaJitLog("", $"The module is not what its head says: {difference}.");
                    return CudaResult.InvalidPtx;
                }
                PtxInstruction[] dependent = [.. text.Functions.SelectMany(function => function.Body).Where(instruction => instruction.Opcode[0] == "griddepcontrol")];
                _tracksOverlap |= dependent.Length > 0;
                program = PtxProgram.Load(text, context.Memory);
                var loaded = new EmulatedModule(context, program, options.MaxRegisters, target) { Waits = dependent.Any(instruction => instruction.Opcode.Contains("wait")), Spec = spec };
                // As an assembler would: what cannot be executed shows now, not at a launch.
                foreach (PtxEntry entry in text.EntryPoints)
                {
                    AddFunction(loaded, entry);
                }
                module = Add(loaded);
                log = new CudaJitLog(options.Verbose ? Report(loaded) : "", "");
                program = null;
                return CudaResult.Success;
            }
            catch (FormatException e)
            {
                log = new CudaJitLog("", e.Message);
                return CudaResult.InvalidPtx;
            }
            catch (PtxSyntaxException e)
            {
                log = new CudaJitLog("", e.Message);
                return CudaResult.InvalidPtx;
            }
            catch (PtxNotImplementedException e)
            {
                log = new CudaJitLog("", "The emulator does not execute this: " + e.Message);
                return CudaResult.NotSupported;
            }
            finally
            {
                program?.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public CudaResult ModuleUnload(nint module)
    {
        lock (_gate)
        {
            if (!TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, module, out EmulatedModule? loaded))
            {
                return CudaResult.InvalidHandle;
            }
            foreach (nint function in loaded.Functions.Values)
            {
                _objects.Remove(function);
            }
            Forget(module, loaded);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult ModuleGetFunction(out nint function, nint module, string name)
    {
        function = 0;
        lock (_gate)
        {
            return !TryCurrent(out EmulatedContext? context, out CudaResult error) ? error
                : !TryFind(context, module, out EmulatedModule? loaded) ? CudaResult.InvalidHandle
                : loaded.Functions.TryGetValue(name, out function) ? CudaResult.Success : CudaResult.NotFound;
        }
    }

    /// <inheritdoc/>
    public CudaResult ModuleGetGlobal(out nint address, out nuint bytes, nint module, string name)
    {
        address = 0;
        bytes = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, module, out EmulatedModule? loaded))
            {
                return CudaResult.InvalidHandle;
            }
            if (!loaded.Program.TryVariable(name, out address, out long size))
            {
                return CudaResult.NotFound;
            }
            bytes = (nuint)size;
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult FuncGetAttribute(out int value, CudaFunctionAttribute attribute, nint function)
    {
        value = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, function, out EmulatedFunction? f))
            {
                return CudaResult.InvalidHandle;
            }
            int? known = attribute switch
            {
                CudaFunctionAttribute.MaxThreadsPerBlock => f.Entry.MaxThreads,
                CudaFunctionAttribute.SharedSizeBytes => f.Kernel.SharedBytes,
                CudaFunctionAttribute.ConstSizeBytes => f.Kernel.ParameterBytes,
                CudaFunctionAttribute.LocalSizeBytes => f.Kernel.LocalBytes,
                CudaFunctionAttribute.RegisterCount => f.Registers,
                CudaFunctionAttribute.PtxVersion => f.Module.Target,
                CudaFunctionAttribute.BinaryVersion => _options.Capability,
                CudaFunctionAttribute.MaxDynamicSharedSizeBytes => f.MaxDynamicShared,
                CudaFunctionAttribute.PreferredSharedMemoryCarveout => f.Carveout,
                CudaFunctionAttribute.NonPortableClusterSizeAllowed => f.NonPortableClusters,
                _ => null,
            };
            value = known ?? 0;
            return known is null ? CudaResult.InvalidValue : CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult FuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value)
    {
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, function, out EmulatedFunction? f))
            {
                return CudaResult.InvalidHandle;
            }
            switch (attribute)
            {
                case CudaFunctionAttribute.MaxDynamicSharedSizeBytes when value >= 0 && value <= _limits.SharedPerBlockOptin - f.Kernel.SharedBytes:
                    f.MaxDynamicShared = value;
                    return CudaResult.Success;
                case CudaFunctionAttribute.PreferredSharedMemoryCarveout when value is >= -1 and <= 100:
                    f.Carveout = value;
                    return CudaResult.Success;
                case CudaFunctionAttribute.NonPortableClusterSizeAllowed when value is 0 or 1:
                    f.NonPortableClusters = value;
                    return CudaResult.Success;
                default:
                    return CudaResult.InvalidValue;
            }
        }
    }

    /// <inheritdoc/>
    public CudaResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int threadsPerBlock, nuint dynamicSharedBytes)
    {
        blocks = 0;
        lock (_gate)
        {
            if (!TryCurrent(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, function, out EmulatedFunction? f))
            {
                return CudaResult.InvalidHandle;
            }
            if (threadsPerBlock <= 0 || dynamicSharedBytes > int.MaxValue)
            {
                return CudaResult.InvalidValue;
            }
            blocks = threadsPerBlock > f.Entry.MaxThreads || (long)dynamicSharedBytes > f.MaxDynamicShared
                ? 0
                : _limits.Occupancy(threadsPerBlock, f.Registers, f.Kernel.SharedBytes + (long)dynamicSharedBytes);
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult TensorMapEncodeTiled(out CudaTensorMap map, CudaTensorDescription description)
    {
        map = default;
        lock (_gate)
        {
            if (!TryCurrent(out _, out CudaResult error))
            {
                return error;
            }
            if (_limits.Major < 9)
            {
                return CudaResult.NotSupported;
            }
            try
            {
                description.Validate();
            }
            catch (ArgumentException e)
            {
                return Fail(CudaResult.InvalidValue, e.Message);
            }
            // The hardware's encoding is not public: this one is the emulator's own.
            Span<byte> bytes = map.Bytes;
            BinaryPrimitives.WriteInt64LittleEndian(bytes, description.Address);
            bytes[8] = (byte)description.Type;
            bytes[9] = (byte)description.Extents.Count;
            bytes[10] = (byte)description.Swizzle;
            bytes[11] = (byte)description.Promotion;
            for (int i = 0; i < description.Extents.Count; i++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(bytes[(16 + 8 * i)..], description.Extents[i]);
                BinaryPrimitives.WriteInt64LittleEndian(bytes[(56 + 8 * i)..], i == 0 ? description.ElementBytes : description.Strides[i - 1]);
                BinaryPrimitives.WriteInt16LittleEndian(bytes[(96 + 2 * i)..], (short)description.Box[i]);
            }
            return CudaResult.Success;
        }
    }

    private void AddFunction(EmulatedModule module, PtxEntry entry)
    {
        PtxKernel kernel = module.Program.Kernel(entry.Name)!;
        int registers = DeviceLimits.RegistersOf(kernel.Registers, entry.MaxThreads, module.MaxRegisters);
        module.Functions.Add(entry.Name, Add(new EmulatedFunction(module, kernel, entry, registers)));
    }

    private string Report(EmulatedModule module) => string.Join('\n', module.Functions.Select(entry =>
    {
        var f = (EmulatedFunction)_objects[entry.Value];
        return $"{entry.Key}: at most {f.Registers} registers, {f.Kernel.SharedBytes} bytes shared, {f.Kernel.LocalBytes} bytes local";
    }));

    private CudaResult CheckTarget(PtxModule module, out int target, out string reason)
    {
        target = 0;
        reason = "";
        string name = module.Target.Split(',')[0].Trim();
        string digits = name.StartsWith("sm_", StringComparison.Ordinal) ? name[3..].TrimEnd('a', 'f') : "";
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out target) || !Version.TryParse(module.Version, out Version? version))
        {
            reason = $"'.version {module.Version}' and '.target {module.Target}' are not understood.";
            return CudaResult.InvalidPtx;
        }
        if (version > s_newestPtx)
        {
            reason = $".version {module.Version} is newer than {s_newestPtx}.";
            return CudaResult.UnsupportedPtxVersion;
        }
        bool fits = name[^1] switch
        {
            'a' => target == _options.Capability,
            'f' => target <= _options.Capability && target / 10 == _limits.Major,
            _ => target <= _options.Capability,
        };
        reason = fits ? "" : $".target {name} does not run on sm_{_options.Capability}.";
        return fits ? CudaResult.Success : CudaResult.NoBinaryForGpu;
    }
}
