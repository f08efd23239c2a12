namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Modules that were compiled ahead of time: files <c>name.sm_90.ptx</c> or <c>name.sm_90a.ptx</c> of a folder. They are listed once and
/// read when asked for. A device takes the one for just itself, else the latest for any capability that is not above its own.
/// </summary>
public sealed class FolderKernelModules : IKernelModules
{
    private const string Extension = ".ptx";
    private const string Remedy = "Compile them again (llama4 ptx dump, or publish the program again).";

    private readonly string _folder;
    private readonly Dictionary<string, KernelTarget[]> _targets;

    /// <summary>Lists the modules of a folder.</summary>
    /// <exception cref="KernelModuleException">There is no such folder, it has no modules, or a .ptx file's name does not say whose module for which target it is.</exception>
    public FolderKernelModules(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
        {
            throw new KernelModuleException($"There is no folder {folder} with device kernels. {Remedy}");
        }
        _folder = folder;
        _targets = Directory.GetFiles(folder)
            .Where(path => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal)
            .Select(Read)
            .GroupBy(module => module.Name, module => module.Target, StringComparer.Ordinal)
            .ToDictionary(modules => modules.Key, modules => modules.ToArray(), StringComparer.Ordinal);
        if (_targets.Count == 0)
        {
            throw new KernelModuleException($"{folder} holds no modules of device kernels (name.sm_90.ptx). {Remedy}");
        }
        Names = [.. _targets.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>The folder <c>kernels</c> beside the program, where publishing puts them.</summary>
    public static string BesideProgram => Path.Combine(AppContext.BaseDirectory, "kernels");

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; }

    /// <inheritdoc/>
    /// <exception cref="KernelModuleException">The file is damaged or another kernel's.</exception>
    public KernelModule Get(string name, int sm)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_targets.TryGetValue(name, out KernelTarget[]? targets))
        {
            throw new ArgumentException($"{_folder} holds no module of '{name}'. {Remedy}", nameof(name));
        }
        KernelTarget target = KernelTarget.Best(targets, sm)
            ?? throw new ArgumentOutOfRangeException(nameof(sm), sm, $"A device of sm_{sm} takes no module of '{name}' in {_folder}: they are for {string.Join(", ", targets)}.");
        string path = PathOf(_folder, name, target);
        KernelModule module;
        try
        {
            module = KernelModule.Parse(File.ReadAllText(path));
        }
        catch (FormatException e)
        {
            throw new KernelModuleException($"{path} is damaged. {Remedy}", e);
        }
        return module.Name == name && module.Spec.Target == target
            ? module
            : throw new KernelModuleException($"{path} is the module of '{module.Name}' for {module.Spec.Target}. {Remedy}");
    }

    /// <summary>The file of a module in a folder.</summary>
    public static string PathOf(string folder, string name, KernelTarget target) => Path.Combine(folder, $"{name}.{target}{Extension}");

    /// <summary>What a file's name says. One that is left out would be a slower kernel, or none, without a word.</summary>
    private static (string Name, KernelTarget Target) Read(string path)
    {
        string file = Path.GetFileName(path);
        return file.Split('.') is [{ Length: > 0 } name, var target, "ptx"] && KernelTarget.TryParse(target, out KernelTarget parsed) && target == parsed.ToString()
            ? (name, parsed)
            : throw new KernelModuleException($"{path} is not named as a module of a device kernel is (name.sm_90.ptx, name.sm_90a.ptx). Rename or remove it.");
    }
}
