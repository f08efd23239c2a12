using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Ilgpu;

/// <summary>Compiles device kernels to PTX; needs neither a driver nor a device.</summary>
public static partial class IlgpuCompiler
{
    /// <summary>Compute capabilities that modules are made for.</summary>
    public static IReadOnlyList<int> Targets { get; } = [80, 86, 89, 90];

    /// <summary>
    /// The module of one kernel. With a <paramref name="cacheFolder"/> (made if absent) a module is read from there if the same
    /// kernel code was compiled before and its file is whole, and written there otherwise.
    /// </summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="sm">Compute capability, one of <see cref="Targets"/>: 90 for sm_90.</param>
    /// <param name="cacheFolder">Folder of compiled modules, or null to compile always.</param>
    /// <exception cref="ArgumentOutOfRangeException">The target is not among <see cref="Targets"/>.</exception>
    public static KernelModule Compile(IlgpuKernel kernel, int sm, string? cacheFolder = null)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        if (!Targets.Contains(sm))
        {
            throw new ArgumentOutOfRangeException(nameof(sm), sm, $"Targets are {string.Join(", ", Targets)}.");
        }
        string? path = cacheFolder is null ? null : Path.Combine(cacheFolder, $"{kernel.Name}.{Key(kernel, sm)}.sm_{sm}.ptx");
        if (path is not null && ReadCached(path) is KernelModule cached)
        {
            return cached;
        }
        var spec = new KernelSpec(kernel.Name, new KernelTarget(sm), [.. kernel.Method.GetParameters().Select(Argument)]) { MaxThreads = kernel.MaxThreads };
        var module = KernelModule.Create(spec, Translate(kernel, sm));
        if (path is not null)
        {
            Write(path, module.Text);
        }
        return module;
    }

    /// <summary>
    /// Compiles every kernel into files that <see cref="FolderKernelModules"/> reads, for programs without a compiler: a
    /// publishing step calls it for each target it ships.
    /// </summary>
    /// <param name="sm">Compute capability, one of <see cref="Targets"/>; devices take modules for lower ones too.</param>
    /// <param name="folder">Where the files go; made if absent.</param>
    /// <param name="cacheFolder">Folder of compiled modules, or null to compile always.</param>
    /// <exception cref="ArgumentOutOfRangeException">The target is not among <see cref="Targets"/>.</exception>
    public static IReadOnlyList<KernelModule> CompileAll(int sm, string folder, string? cacheFolder = null)
    {
        KernelModule[] modules = [.. IlgpuKernels.All.Select(kernel => Compile(kernel, sm, cacheFolder))];
        foreach (KernelModule module in modules)
        {
            Write(FolderKernelModules.PathOf(folder, module.Name, module.Spec.Target), module.Text);
        }
        return modules;
    }

    private static string Translate(IlgpuKernel kernel, int sm)
    {
        using Context context = Context.Create(builder => builder.EnableAlgorithms().Optimize(OptimizationLevel.O2).PTXBackend(PTXBackendMode.Enhanced));
        // Without libdevice: no kernel here needs it, and ILGPU takes null for that.
        using var backend = new PTXBackend(context, new CudaArchitecture(sm / 10, sm % 10), new CudaInstructionSet(8, 0), null!);
        EntryPointDescription entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel.Method);
        var compiled = (PTXCompiledKernel)backend.Compile(entry, new KernelSpecialization(kernel.MaxThreads, 1));
        return Normalise(compiled.PTXAssembly, kernel.Name, sm);
    }

    /// <summary>
    /// ILGPU numbers names afresh in every context, never asks for more than sm_80, names entries after methods and marks
    /// conditional branches as uniform that are not (undefined by the ISA): all four are put right, and the numbers become
    /// those of first appearance.
    /// </summary>
    internal static string Normalise(string ptx, string name, int sm)
    {
        string entry = EntryName().Match(ptx).Groups[1].Value;
        Dictionary<string, string> numbers = [];
        string text = TargetLine().Replace(ptx.ReplaceLineEndings("\n"), $".target sm_{sm}");
        text = ConditionalUniform().Replace(text, "$1bra ");
        text = Regex.Replace(text, $@"\b{Regex.Escape(entry)}\b", name);
        return NumberedName().Replace(text, match =>
        {
            string number = match.Groups[2].Value;
            if (!numbers.TryGetValue(number, out string? renamed))
            {
                renamed = numbers.Count.ToString(CultureInfo.InvariantCulture);
                numbers.Add(number, renamed);
            }
            return match.Groups[1].Value + renamed;
        });
    }

    private static KernelModule? ReadCached(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }
        try
        {
            return KernelModule.Parse(File.ReadAllText(path));
        }
        catch (FormatException)
        {
            // Damaged: compiling anew puts that right.
            return null;
        }
    }

    private static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // Another process may read meanwhile: the file appears whole or not at all.
        string partial = $"{path}.{Guid.NewGuid():N}";
        File.WriteAllText(partial, text);
        File.Move(partial, path, overwrite: true);
    }

    /// <summary>The build of the kernels and of ILGPU stand for the code: deterministic builds give equal code equal ids.</summary>
    private static string Key(IlgpuKernel kernel, int sm) =>
        Hash($"{kernel.Method.Module.ModuleVersionId} {typeof(Context).Module.ModuleVersionId} {typeof(IlgpuCompiler).Module.ModuleVersionId} {kernel.Method.DeclaringType}.{kernel.Method} {kernel.MaxThreads} {sm}")[..16];

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static KernelArgument Argument(ParameterInfo parameter)
    {
        Type type = parameter.ParameterType;
        KernelArgumentKind kind = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ArrayView<>) ? KernelArgumentKind.View
            : type == typeof(long) ? KernelArgumentKind.Int64
            : type == typeof(int) ? KernelArgumentKind.Int32
            : type == typeof(float) ? KernelArgumentKind.Float32
            : throw new ArgumentException($"Kernels take views, int, long and float; {parameter.Name} is {type}.");
        return new KernelArgument(parameter.Name!, kind);
    }

    [GeneratedRegex(@"^\.target\s+\w+", RegexOptions.Multiline)]
    private static partial Regex TargetLine();

    [GeneratedRegex(@"(@!?%?\w+\s+)bra\.uni\s+")]
    private static partial Regex ConditionalUniform();

    [GeneratedRegex(@"\.entry\s+([\w$]+)")]
    private static partial Regex EntryName();

    [GeneratedRegex(@"\b(L_|_\w*?_)(\d+)\b")]
    private static partial Regex NumberedName();
}
