using System.Buffers.Binary;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>Holds what a module's head says of its kernel against its text and against launches. A host's own PTX has no head, and is not held to one.</summary>
internal static class SpecCheck
{
    // No device's address space is as large.
    private const long MostElements = 1L << 48;

    /// <summary>In what head and text of a module differ, or null.</summary>
    public static string? Difference(KernelSpec spec, PtxModule text)
    {
        if (spec.Target.ToString() != text.Target.Split(',')[0].Trim())
        {
            return $"the head says target {spec.Target}, the text {text.Target}";
        }
        if (text.EntryPoints.FirstOrDefault(entry => entry.Name == spec.Name) is not PtxEntry entry)
        {
            return $"the head is that of '{spec.Name}', and the text has no such entry";
        }
        if (spec.Block is CudaDim3 block ? entry.RequiredBlock is (int X, int Y, int Z) required && required != (block.X, block.Y, block.Z) : spec.MaxThreads != entry.MaxThreads)
        {
            return $"the head says blocks of {spec.Block?.ToString() ?? $"at most {spec.MaxThreads} threads"}, the text {entry.RequiredBlock?.ToString() ?? $"{entry.MaxThreads}"}";
        }
        (int Offset, int Bytes)[] said = [.. spec.Arguments.Select((argument, i) => (spec.Offsets[i], argument.Bytes))];
        (int Offset, int Bytes)[] declared = [.. entry.Parameters.Select(parameter => ((int)parameter.Offset, (int)parameter.Size))];
        if (!said.AsSpan().SequenceEqual(declared))
        {
            return $"the head says arguments at {string.Join(", ", said)} (offset, bytes), the text declares {string.Join(", ", declared)}";
        }
        for (int i = 0; i < spec.Arguments.Count; i++)
        {
            PtxParameter parameter = entry.Parameters[i];
            if (!Declares(parameter, spec.Arguments[i].Kind))
            {
                return $"the head says argument '{spec.Arguments[i].Name}' is {spec.Arguments[i].Kind}, the text declares .{parameter.Type} of {parameter.Size} bytes at multiples of {parameter.Align}";
            }
        }
        return null;
    }

    /// <summary>Whether a parameter of the right size is declared as what it is said to be. Bits may be an integer: compilers declare them so.</summary>
    private static bool Declares(PtxParameter parameter, KernelArgumentKind kind) => kind switch
    {
        KernelArgumentKind.View => parameter is { Type: "b8" or "b64", Align: >= sizeof(long) },
        KernelArgumentKind.TensorMap => parameter is { Type: "b8" or "b64", Align: >= 64 },
        KernelArgumentKind.Int32 => parameter.Type is "b32" or "u32" or "s32",
        KernelArgumentKind.Int64 => parameter.Type is "b64" or "u64" or "s64",
        KernelArgumentKind.Float32 => parameter.Type is "f32",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such kind of argument."),
    };

    /// <summary>In what a launch differs from what the head says, or null.</summary>
    public static string? Difference(KernelSpec spec, in CudaLaunchConfig config, ReadOnlySpan<byte> parameters)
    {
        if (spec.Block is CudaDim3 block && config.Block != block)
        {
            return $"a block of {config.Block} where the kernel takes {block}";
        }
        if (config.SharedBytes != spec.SharedBytes)
        {
            return $"{config.SharedBytes} bytes of dynamic shared memory where the kernel takes {spec.SharedBytes}";
        }
        if (config.Cluster != spec.Cluster)
        {
            return $"clusters of {config.Cluster?.ToString() ?? "no blocks"} where the kernel takes {spec.Cluster?.ToString() ?? "none"}";
        }
        if (config.ProgrammaticSerialization && !spec.DependentLaunch)
        {
            return "programmatic dependent launch of a kernel that is not made for it";
        }
        for (int i = 0; i < spec.Arguments.Count; i++)
        {
            if (Difference(spec.Arguments[i], parameters[spec.Offsets[i]..]) is string difference)
            {
                return difference;
            }
        }
        return null;
    }

    /// <summary>Numbers have no wrong bits; what holds an address has.</summary>
    private static string? Difference(KernelArgument argument, ReadOnlySpan<byte> bytes)
    {
        long address = argument.Kind is KernelArgumentKind.View or KernelArgumentKind.TensorMap ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : 0;
        if (argument.Kind == KernelArgumentKind.TensorMap)
        {
            return address != 0 ? null : $"no tensor map as argument '{argument.Name}'";
        }
        if (argument.Kind != KernelArgumentKind.View)
        {
            return null;
        }
        long elements = BinaryPrimitives.ReadInt64LittleEndian(bytes[sizeof(long)..]);
        return elements is < 0 or > MostElements || (elements > 0 && address == 0)
            ? $"argument '{argument.Name}' is a view, and 0x{address:x} with {elements} elements is none"
            : null;
    }
}
