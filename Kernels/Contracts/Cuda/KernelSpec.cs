using System.Globalization;
using System.Text;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// All that is said about a kernel: the head of its module's text is made of it and read into it, launches take extents,
/// attributes and the places of arguments from it.
/// </summary>
public sealed class KernelSpec
{
    private const string TargetMark = "// target: ";
    private const string KernelMark = "// kernel: ";
    private const string ThreadsMark = "// threads: ";
    private const string BlockMark = "// block: ";
    private const string SharedMark = "// dynamic shared bytes: ";
    private const string ClusterMark = "// cluster: ";
    private const string DependentMark = "// dependent launch: ";
    private const string ArgumentMark = "// argument: ";
    private const string End = "// ---";

    private readonly int[] _offsets;

    /// <summary>Lays the arguments out: each at the next multiple of its alignment, as PTX does.</summary>
    /// <param name="name">The kernel's name, also the entry's.</param>
    /// <param name="target">What device it is for.</param>
    /// <param name="arguments">Parameters in order.</param>
    public KernelSpec(string name, KernelTarget target, IReadOnlyList<KernelArgument> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        (Name, Target, Arguments) = (name, target, arguments);
        _offsets = new int[arguments.Count];
        for (int i = 0; i < arguments.Count; i++)
        {
            int alignment = arguments[i].Alignment;
            _offsets[i] = (ArgumentBytes + alignment - 1) & -alignment;
            ArgumentBytes = _offsets[i] + arguments[i].Bytes;
        }
    }

    /// <summary>The kernel's name, also the entry to look up in the loaded module.</summary>
    public string Name { get; }

    /// <summary>What device it is for.</summary>
    public KernelTarget Target { get; }

    /// <summary>Parameters in order.</summary>
    public IReadOnlyList<KernelArgument> Arguments { get; }

    /// <summary>Where each argument lies in the parameter space.</summary>
    public ReadOnlySpan<int> Offsets => _offsets;

    /// <summary>Bytes of the parameter space.</summary>
    public int ArgumentBytes { get; }

    /// <summary>Most threads of a block; a kernel with a <see cref="Block"/> takes just that.</summary>
    public int MaxThreads { get; init; } = 1024;

    /// <summary>The block, if it takes only one.</summary>
    public CudaDim3? Block { get; init; }

    /// <summary>Bytes of dynamic shared memory.</summary>
    public int SharedBytes { get; init; }

    /// <summary>Blocks of a cluster, if there are clusters.</summary>
    public CudaDim3? Cluster { get; init; }

    /// <summary>It may begin before its predecessor ends, and waits for it before it reads what that wrote.</summary>
    public bool DependentLaunch { get; init; }

    /// <summary>The configuration of a launch.</summary>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block, where the kernel leaves a choice.</param>
    public CudaLaunchConfig Configure(CudaDim3 grid, CudaDim3 block) =>
        new(grid, block, SharedBytes) { Cluster = Cluster, ProgrammaticSerialization = DependentLaunch };

    /// <summary>The comments that head a module's text, target first.</summary>
    public string ToHeader()
    {
        var text = new StringBuilder();
        void Line(string mark, object value) => text.Append(mark).Append(CultureInfo.InvariantCulture, $"{value}\n");
        Line(TargetMark, Target);
        Line(KernelMark, Name);
        if (Block is CudaDim3 block)
        {
            Line(BlockMark, Extents(block));
        }
        else
        {
            Line(ThreadsMark, MaxThreads);
        }
        if (SharedBytes > 0)
        {
            Line(SharedMark, SharedBytes);
        }
        if (Cluster is CudaDim3 cluster)
        {
            Line(ClusterMark, Extents(cluster));
        }
        if (DependentLaunch)
        {
            Line(DependentMark, "yes");
        }
        foreach (KernelArgument argument in Arguments)
        {
            Line(ArgumentMark, $"{argument.Name} {KindName(argument.Kind)}");
        }
        return text.Append(End).Append('\n').ToString();
    }

    /// <summary>Reads what <see cref="ToHeader"/> wrote.</summary>
    /// <exception cref="FormatException">The text has no such head.</exception>
    public static KernelSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string? name = null;
        KernelTarget? target = null;
        int threads = 0, shared = 0;
        CudaDim3? block = null, cluster = null;
        bool dependent = false;
        List<KernelArgument> arguments = [];
        foreach (string line in text.Split('\n'))
        {
            if (line == End)
            {
                return name is null || target is null || (threads == 0 && block is null)
                    ? throw new FormatException("The head of a module of a device kernel lacks its name, target or threads.")
                    : new KernelSpec(name, target.Value, arguments)
                    {
                        MaxThreads = (int)(block?.Count ?? threads),
                        Block = block,
                        SharedBytes = shared,
                        Cluster = cluster,
                        DependentLaunch = dependent,
                    };
            }
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            string mark = colon < 0 ? line : line[..(colon + 2)], value = colon < 0 ? "" : line[(colon + 2)..];
            switch (mark)
            {
                case TargetMark when KernelTarget.TryParse(value, out KernelTarget parsed):
                    target = parsed;
                    break;
                case KernelMark:
                    name = value;
                    break;
                case ThreadsMark:
                    threads = Number(value);
                    break;
                case BlockMark:
                    block = Extents(value);
                    break;
                case SharedMark:
                    shared = Number(value);
                    break;
                case ClusterMark:
                    cluster = Extents(value);
                    break;
                case DependentMark when value == "yes":
                    dependent = true;
                    break;
                case ArgumentMark when value.Split(' ') is [string argument, string kind]:
                    arguments.Add(new KernelArgument(argument, Kind(kind)));
                    break;
                default:
                    throw new FormatException($"'{line}' does not belong into the head of a module of a device kernel.");
            }
        }
        throw new FormatException("This is no module of a device kernel: its head has no end.");
    }

    private static string KindName(KernelArgumentKind kind) => kind.ToString().ToLowerInvariant();

    private static KernelArgumentKind Kind(string name)
    {
        foreach (KernelArgumentKind kind in Enum.GetValues<KernelArgumentKind>())
        {
            if (KindName(kind) == name)
            {
                return kind;
            }
        }
        throw new FormatException($"'{name}' is no kind of argument of a device kernel.");
    }

    private static string Extents(CudaDim3 extents) => string.Create(CultureInfo.InvariantCulture, $"{extents.X} {extents.Y} {extents.Z}");

    private static CudaDim3 Extents(string value) => value.Split(' ') is [string x, string y, string z]
        ? new CudaDim3(Number(x), Number(y), Number(z))
        : throw new FormatException($"'{value}' are no extents.");

    private static int Number(string digits) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"'{digits}' is no number.");
}
