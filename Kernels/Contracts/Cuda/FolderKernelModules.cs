using System.Globalization;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Modules that were compiled ahead of time: files <c>name.sm_90.ptx</c> of a folder. They are listed once and read when asked
/// for. A device takes modules for any lower capability too.
/// </summary>
public sealed class FolderKernelModules : IKernelModules
{
    private const string Remedy = "Compile them again (llama4 ptx dump, or publish the program again).";

    private readonly string _folder;
    private readonly Dictionary<string, int[]> _targets;

    /// <summary>Lists the modules of a folder.</summary>
    /// <exception cref="KernelModuleException">There is no such folder, or it has no modules.</exception>
    public FolderKernelModules(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
        {
            throw new KernelModuleException($"There is no folder {folder} with device kernels. {Remedy}");
        }
        _folder = folder;
        _targets = Directory.GetFiles(folder, "*.sm_*.ptx")
            .Select(path => Path.GetFileName(path).Split('.'))
            .Where(parts => parts.Length == 3 && int.TryParse(parts[1]["sm_".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .GroupBy(parts => parts[0], parts => int.Parse(parts[1]["sm_".Length..], CultureInfo.InvariantCulture))
            .ToDictionary(modules => modules.Key, modules => modules.OrderDescending().ToArray());
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
        if (!_targets.TryGetValue(name, out int[]? targets))
        {
            throw new ArgumentException($"{_folder} holds no module of '{name}'. {Remedy}", nameof(name));
        }
        int target = Array.Find(targets, target => target <= sm);
        if (target == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(sm), sm, $"Modules of '{name}' need sm_{targets[^1]} at least.");
        }
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
        return module.Name == name && module.Spec.Target == new KernelTarget(target)
            ? module
            : throw new KernelModuleException($"{path} is the module of '{module.Name}' for {module.Spec.Target}. {Remedy}");
    }

    /// <summary>The file of a module in a folder.</summary>
    public static string PathOf(string folder, string name, int sm) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{name}.sm_{sm}.ptx"));
}
