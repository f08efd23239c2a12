using System.Buffers.Binary;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Checking;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>A kernel with a launch, inputs and expected outputs. Its module is parsed and checked, and everything fits it.</summary>
public sealed class PtxCase
{
    private const int MaxThreads = 1024;
    private const int MaxSharedBytes = 232_448;
    private readonly string _file;
    private readonly Dictionary<string, CaseTensor> _tensors;

    private PtxCase(string file, CaseJson json, PtxModule module, IEnumerable<CaseTensor> tensors)
    {
        _file = file;
        Name = Path.GetFileNameWithoutExtension(file);
        json.Only("kernel", "arch", "grid", "block", "cluster", "dynamic_shared", "args", "compare", "covers", "note", "checked");
        _tensors = ReadTensors(tensors);
        Grid = ReadDim(json.Get("grid"), int.MaxValue);
        Block = ReadDim(json.Get("block"), MaxThreads);
        Cluster = json.Find("cluster") is CaseJson cluster ? ReadDim(cluster, 16) : null;
        DynamicShared = json.Get("dynamic_shared").Integer(0, MaxSharedBytes);
        Arguments = [.. json.Get("args").Items().Select(ReadArgument)];
        Rules = [.. json.Get("compare").Fields().Select(field => ReadRule(field.Name, field.Value))];
        foreach (CaseTensor output in _tensors.Values.Where(IsOutput))
        {
            if (!Rules.Any(rule => rule.Tensor == output.Name))
            {
                throw json.Get("compare").Fault($"has no rule for {output.Name}.");
            }
            if (!Arguments.Any(argument => argument.Tensor == output.Name))
            {
                throw json.Get("args").Fault($"never pass {output.Name}.");
            }
        }
        Module = module;
        string kernel = json.Get("kernel").Text();
        Entry = module.EntryPoints.FirstOrDefault(entry => entry.Name == kernel)
            ?? throw json.Get("kernel").Fault($"is '{kernel}'; the module has {string.Join(", ", module.Entries)}.");
        CheckLaunch(json);
    }

    /// <summary>The file's name without folder and extension.</summary>
    public string Name { get; }

    /// <summary>Blocks.</summary>
    public CudaDim3 Grid { get; }

    /// <summary>Threads of a block.</summary>
    public CudaDim3 Block { get; }

    /// <summary>Blocks of a cluster, or null.</summary>
    public CudaDim3? Cluster { get; }

    /// <summary>Bytes of dynamic shared memory.</summary>
    public int DynamicShared { get; }

    /// <summary>The inputs, outputs and initial values.</summary>
    public IEnumerable<CaseTensor> Tensors => _tensors.Values;

    /// <summary>Name of the entry.</summary>
    public string Kernel => Entry.Name;

    internal PtxModule Module { get; }

    internal PtxEntry Entry { get; }

    internal IReadOnlyList<CaseArgument> Arguments { get; }

    internal IReadOnlyList<CaseRule> Rules { get; }

    /// <summary>Reads a case.</summary>
    /// <param name="file">Path of the JSON file, for messages; the module's path is this with the extension .ptx.</param>
    /// <param name="json">The JSON file's text.</param>
    /// <param name="ptx">The module's text.</param>
    /// <param name="tensors">The tensors that come with it.</param>
    /// <exception cref="CaseFormatException">A part is malformed, or the parts do not fit each other.</exception>
    public static PtxCase Read(string file, string json, string ptx, IEnumerable<CaseTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(ptx);
        ArgumentNullException.ThrowIfNull(tensors);
        CaseJson root = CaseJson.Parse(file, json);
        return new PtxCase(file, root, ReadModule(Path.ChangeExtension(file, ".ptx"), ptx), tensors);
    }

    internal CaseTensor Tensor(string name) => _tensors[name];

    /// <summary>What a buffer holds before the launch; null for zeros.</summary>
    internal CaseTensor? Initial(CaseTensor buffer) =>
        IsOutput(buffer) ? _tensors.GetValueOrDefault("init." + buffer.Name["out.".Length..]) : buffer;

    internal static bool IsOutput(CaseTensor tensor) => tensor.Name.StartsWith("out.", StringComparison.Ordinal);

    private static PtxModule ReadModule(string file, string text)
    {
        PtxModule module;
        try
        {
            module = PtxModule.Parse(text);
        }
        catch (PtxSyntaxException e)
        {
            throw new CaseFormatException(file, null, e.Message, e);
        }
        return PtxChecker.Check(module).FirstOrDefault(diagnostic => diagnostic.Severity == PtxSeverity.Error) is PtxDiagnostic error
            ? throw new CaseFormatException(file, $"line {error.Line}, column {error.Column}", error.Message)
            : module;
    }

    private static CudaDim3 ReadDim(CaseJson json, int most)
    {
        CaseJson[] items = json.Items();
        if (items.Length != 3)
        {
            throw json.Fault($"has {items.Length} numbers; three are needed.");
        }
        var dim = new CudaDim3(items[0].Integer(1, most), items[1].Integer(1, Math.Min(most, ushort.MaxValue)), items[2].Integer(1, Math.Min(most, ushort.MaxValue)));
        return (Int128)dim.X * dim.Y * dim.Z <= most ? dim : throw json.Fault($"{dim} is more than {most}.");
    }

    private Dictionary<string, CaseTensor> ReadTensors(IEnumerable<CaseTensor> tensors)
    {
        string file = Path.ChangeExtension(_file, ".safetensors");
        var found = new Dictionary<string, CaseTensor>(StringComparer.Ordinal);
        foreach (CaseTensor tensor in tensors)
        {
            string? fault =
                tensor.Name.Split('.') is not (["in" or "out" or "init", not "", ..]) ? "must be named in.X, out.X or init.X."
                : !tensor.IsWhole ? $"{tensor.Kind} does not have {tensor.Data.Length} bytes."
                : !found.TryAdd(tensor.Name, tensor) ? "appears twice."
                : null;
            if (fault is not null)
            {
                throw new CaseFormatException(file, tensor.Name, fault);
            }
        }
        foreach (CaseTensor initial in found.Values.Where(tensor => tensor.Name.StartsWith("init.", StringComparison.Ordinal)))
        {
            string name = "out." + initial.Name["init.".Length..];
            if (!found.TryGetValue(name, out CaseTensor? output))
            {
                throw new CaseFormatException(file, initial.Name, $"there is no {name} to begin with it.");
            }
            if (!initial.HasKindOf(output))
            {
                throw new CaseFormatException(file, initial.Name, $"is {initial.Kind}; {name} is {output.Kind}.");
            }
        }
        return found;
    }

    private CaseArgument ReadArgument(CaseJson json)
    {
        string type = json.Get("type").Text();
        if (type == "ptr")
        {
            CaseJson tensor = json.Only("type", "tensor").Get("tensor");
            string name = tensor.Text();
            return !_tensors.ContainsKey(name) ? throw tensor.Fault($"there is no tensor {name}.")
                : name.StartsWith("init.", StringComparison.Ordinal) ? throw tensor.Fault($"{name} is no buffer; pass the output that begins with it.")
                : new CaseArgument(name, default);
        }
        if (type == "bytes")
        {
            CaseJson hex = json.Only("type", "hex").Get("hex");
            try
            {
                return new CaseArgument(null, Convert.FromHexString(hex.Text()));
            }
            catch (FormatException e)
            {
                throw new CaseFormatException(_file, hex.Path, "must be pairs of hexadecimal digits.", e);
            }
        }
        CaseJson value = json.Only("type", "value").Get("value");
        byte[] bytes = new byte[sizeof(ulong)];
        switch (type)
        {
            case "f32":
                BinaryPrimitives.WriteSingleLittleEndian(bytes, (float)value.Number());
                return new CaseArgument(null, bytes.AsMemory(0, sizeof(float)));
            case "f64":
                BinaryPrimitives.WriteDoubleLittleEndian(bytes, value.Number());
                return new CaseArgument(null, bytes);
        }
        (int size, Int128 least, Int128 most) = type switch
        {
            "u8" => (1, (Int128)0, (Int128)byte.MaxValue),
            "s32" => (4, int.MinValue, int.MaxValue),
            "u32" => (4, 0, uint.MaxValue),
            "s64" => (8, long.MinValue, long.MaxValue),
            "u64" => (8, 0, ulong.MaxValue),
            _ => throw json.Get("type").Fault($"'{type}' is unknown; ptr, bytes, u8, s32, u32, s64, u64, f32 and f64 are known."),
        };
        Int128 integer = value.Integer();
        if (integer < least || integer > most)
        {
            throw value.Fault($"{integer} is no {type}.");
        }
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, unchecked((ulong)integer));
        return new CaseArgument(null, bytes.AsMemory(0, size));
    }

    private CaseRule ReadRule(string name, CaseJson json)
    {
        if (!_tensors.TryGetValue(name, out CaseTensor? tensor) || !IsOutput(tensor))
        {
            throw json.Fault("there is no such output.");
        }
        string mode = json.Get("mode").Text();
        if (mode == "rel")
        {
            json.Only("mode", "tol", "abs");
            return new CaseRule(name, Exact: false, Relative: json.Get("tol").Bound(), Absolute: json.Get("abs").Bound());
        }
        if (mode != "exact")
        {
            throw json.Get("mode").Fault($"'{mode}' is unknown; exact and rel are known.");
        }
        CaseJson? any = json.Only("mode", "nan").Find("nan");
        if (any is CaseJson nan)
        {
            if (nan.Text() != "any")
            {
                throw nan.Fault($"'{nan.Text()}' is unknown; any is known.");
            }
            if (!tensor.Element.IsFloat())
            {
                throw nan.Fault($"{tensor.Element} has no NaN.");
            }
        }
        return new CaseRule(name, Exact: true, AnyNaN: any is not null);
    }

    private void CheckLaunch(CaseJson json)
    {
        CaseJson args = json.Get("args");
        if (Arguments.Count != Entry.Parameters.Count)
        {
            throw args.Fault($"{Entry.Name} takes {Entry.Parameters.Count} parameters, not {Arguments.Count}.");
        }
        for (int i = 0; i < Arguments.Count; i++)
        {
            if (Arguments[i].Size != Entry.Parameters[i].Size)
            {
                throw args.Items()[i].Fault($"parameter {Entry.Parameters[i].Name} has {Entry.Parameters[i].Size} bytes, the argument has {Arguments[i].Size}.");
            }
        }
        CaseJson block = json.Get("block");
        if (Entry.RequiredBlock is (int x, int y, int z) && new CudaDim3(x, y, z) != Block)
        {
            throw block.Fault($"is {Block}; the kernel demands {new CudaDim3(x, y, z)}.");
        }
        if (Block.Count > Entry.MaxThreads)
        {
            throw block.Fault($"has {Block.Count} threads; the kernel allows {Entry.MaxThreads}.");
        }
        if (Entry.RequiredCluster is (int cx, int cy, int cz) && Cluster is CudaDim3 given && new CudaDim3(cx, cy, cz) != given)
        {
            throw json.Get("cluster").Fault($"is {given}; the kernel demands {new CudaDim3(cx, cy, cz)}.");
        }
        if (Cluster is CudaDim3 cluster && (Grid.X % cluster.X != 0 || Grid.Y % cluster.Y != 0 || Grid.Z % cluster.Z != 0))
        {
            throw json.Get("grid").Fault($"{Grid} is no multiple of the cluster {cluster}.");
        }
    }
}
