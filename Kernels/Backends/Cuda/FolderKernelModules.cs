using System.Globalization;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>
/// Modules that were compiled ahead of time: files <c>name.sm_90.ptx</c> of a folder. They are listed once and read when asked
/// for. A device takes modules for any lower capability too.
/// </summary>
public sealed class FolderKernelModules : IKernelModules
{
    private readonly string _folder;
    private readonly Dictionary<string, int[]> _targets;

    /// <summary>Lists the modules of a folder.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">It has no modules.</exception>
    public FolderKernelModules(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _folder = folder;
        _targets = Directory.GetFiles(folder, "*.sm_*.ptx")
            .Select(path => Path.GetFileName(path).Split('.'))
            .Where(parts => parts.Length == 3 && int.TryParse(parts[1]["sm_".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .GroupBy(parts => parts[0], parts => int.Parse(parts[1]["sm_".Length..], CultureInfo.InvariantCulture))
            .ToDictionary(modules => modules.Key, modules => modules.OrderDescending().ToArray());
        if (_targets.Count == 0)
        {
            throw new InvalidDataException($"{folder} holds no modules of device kernels (name.sm_90.ptx).");
        }
        Names = [.. _targets.Keys.Order(StringComparer.Ordinal)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; }

    /// <inheritdoc/>
    /// <exception cref="FormatException">The file is damaged or another kernel's.</exception>
    public KernelModule Get(string name, int sm)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_targets.TryGetValue(name, out int[]? targets))
        {
            throw new ArgumentException($"{_folder} holds no module of '{name}'.", nameof(name));
        }
        int target = Array.Find(targets, target => target <= sm);
        if (target == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(sm), sm, $"Modules of '{name}' need sm_{targets[^1]} at least.");
        }
        KernelModule module = KernelModule.Parse(File.ReadAllText(PathOf(_folder, name, target)));
        return module.Name == name && module.Sm == target
            ? module
            : throw new FormatException($"The module of '{name}' for sm_{target} is one of '{module.Name}' for sm_{module.Sm}.");
    }

    /// <summary>The file of a module in a folder.</summary>
    public static string PathOf(string folder, string name, int sm) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{name}.sm_{sm}.ptx"));
}
