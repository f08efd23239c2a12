using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Ptx;

/// <summary>
/// Writes a kernel as PTX. Registers carry their type, instructions are methods that take only operands that fit, loops are
/// unrolled by loops in C#. The text begins with what a reader needs: arguments, registers and shared memory with their meaning.
/// </summary>
/// <param name="name">The kernel's name, also the entry's.</param>
/// <param name="sm">Compute capability it is for, 80 or more.</param>
/// <param name="threads">Threads of a block.</param>
/// <param name="blocksPerProcessor">Blocks that an assembler leaves registers for on a multiprocessor.</param>
/// <param name="summary">What it computes, in lines.</param>
internal sealed partial class KernelWriter(string name, int sm, int threads, int blocksPerProcessor, string summary)
{
    private const string SharedSymbol = "shared_memory";
    private const int FirstWithDependentLaunch = 90;

    private readonly StringBuilder _body = new();
    private readonly List<(string State, string Name)> _declared = [];
    private readonly HashSet<string> _names = [];
    private readonly HashSet<string> _used = [];
    private readonly List<(string[] Names, string Type, string Meaning)> _registers = [];
    private readonly List<(KernelArgument Argument, string Meaning)> _arguments = [];
    private readonly List<(string Name, SharedRegion Region, string Meaning)> _shared = [];
    private string _guard = "";
    private bool _waits, _transposes, _decodes;

    /// <summary>Compute capability.</summary>
    public int Sm => sm;

    /// <summary>Whether a grid may begin before its predecessor has ended, and must wait for it.</summary>
    public bool HasDependentLaunch => sm >= FirstWithDependentLaunch;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public int SharedBytes { get; private set; }

    /// <summary>A register.</summary>
    /// <param name="register">Its name, once in a kernel.</param>
    /// <param name="meaning">What it holds, for the header.</param>
    public Reg<T> Register<T>(string register, string meaning)
        where T : struct, IRegisterType
    {
        Reg<T> made = Declare<T>(register);
        Describe<T>(meaning, made);
        return made;
    }

    /// <summary>Two registers, NAME0 and NAME1.</summary>
    public Vec2<T> Pair<T>(string registers, string meaning)
        where T : struct, IRegisterType
    {
        var made = new Vec2<T>(Declare<T>($"{registers}0"), Declare<T>($"{registers}1"));
        Describe(meaning, made.X, made.Y);
        return made;
    }

    /// <summary>Four registers, NAME0 to NAME3.</summary>
    public Vec4<T> Quad<T>(string registers, string meaning)
        where T : struct, IRegisterType
    {
        var made = new Vec4<T>(Declare<T>($"{registers}0"), Declare<T>($"{registers}1"), Declare<T>($"{registers}2"), Declare<T>($"{registers}3"));
        Describe(meaning, made.X, made.Y, made.Z, made.W);
        return made;
    }

    /// <summary>A parameter that is a view: an address and a number of elements.</summary>
    public Parameter<GlobalAddress> View(string argument, string meaning)
    {
        _arguments.Add((new KernelArgument(argument, KernelArgumentKind.View), meaning));
        return new(argument);
    }

    /// <summary>A parameter that is an int32.</summary>
    public Parameter<U32> Value(string argument, string meaning)
    {
        _arguments.Add((new KernelArgument(argument, KernelArgumentKind.Int32), meaning));
        return new(argument);
    }

    /// <summary>A parameter that is a float32.</summary>
    public Parameter<F32> Number(string argument, string meaning)
    {
        _arguments.Add((new KernelArgument(argument, KernelArgumentKind.Float32), meaning));
        return new(argument);
    }

    /// <summary>The next bytes of dynamic shared memory.</summary>
    public SharedRegion Shared(string region, int bytes, string meaning)
    {
        if (bytes <= 0 || bytes % 16 != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "A region has a positive multiple of 16 bytes.");
        }
        var made = new SharedRegion(SharedBytes, bytes);
        _shared.Add((region, made, meaning));
        SharedBytes += bytes;
        return made;
    }

    /// <summary>A line for readers.</summary>
    public void Comment(string text) => _body.Append(CultureInfo.InvariantCulture, $"\n\t// {text}\n");

    /// <summary>A label, to be placed once.</summary>
    public Label NewLabel(string label) => new(Unique(label));

    /// <summary>Here is the label.</summary>
    public void Place(Label label) => _body.Append(CultureInfo.InvariantCulture, $"{label.Name}:\n");

    /// <summary>Instructions for the lanes where a predicate is true.</summary>
    public void When(Reg<Predicate> condition, Action body) => Guarded($"@{condition} ", body);

    /// <summary>Instructions for the lanes where a predicate is false.</summary>
    public void Unless(Reg<Predicate> condition, Action body) => Guarded($"@!{condition} ", body);

    /// <summary>The module.</summary>
    public KernelModule Module()
    {
        var text = new StringBuilder();
        foreach (string line in summary.Split('\n'))
        {
            text.Append(CultureInfo.InvariantCulture, $"// {line}\n");
        }
        text.Append("//\n// arguments\n");
        Table(text, _arguments.Select(one => (one.Argument.Name, TypeOf(one.Argument, "view", "s32", "f32"), one.Meaning)));
        text.Append("// registers\n");
        Table(text, _registers.Where(one => one.Names.Any(_used.Contains)).Select(one => (Range(one.Names), one.Type, one.Meaning)));
        if (_shared.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"// dynamic shared memory, {SharedBytes} bytes\n");
            Table(text, _shared.Select(one => (one.Name, string.Create(CultureInfo.InvariantCulture, $"{one.Region.Offset} .. {one.Region.Offset + one.Region.Bytes - 1}"), one.Meaning)));
        }
        // Cache policies need PTX 7.4, dependent launches and transposing 7.8, conversions of E4M3 8.1.
        text.Append(CultureInfo.InvariantCulture, $".version {(_decodes ? "8.1" : HasDependentLaunch || _transposes ? "7.8" : "7.4")}\n.target sm_{sm}\n.address_size 64\n\n");
        if (_shared.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $".extern .shared .align 16 .b8 {SharedSymbol}[];\n\n");
        }
        text.Append(CultureInfo.InvariantCulture, $".visible .entry {name}(\n");
        text.AppendJoin(",\n", _arguments.Select(one => $"\t.param {TypeOf(one.Argument, ".align 8 .b8", ".u32", ".f32")} {one.Argument.Name}{TypeOf(one.Argument, "[16]", "", "")}"));
        text.Append(CultureInfo.InvariantCulture, $"\n)\n.reqntid {threads}, 1, 1\n.minnctapersm {blocksPerProcessor}\n{{\n");
        foreach (IGrouping<string, string> state in _declared.Where(register => _used.Contains(register.Name)).GroupBy(register => register.State, register => register.Name))
        {
            foreach (string[] line in state.Chunk(12))
            {
                text.Append(CultureInfo.InvariantCulture, $"\t.reg {state.Key} {string.Join(", ", line)};\n");
            }
        }
        text.Append(_body).Append("}\n");
        var spec = new KernelSpec(name, new KernelTarget(sm), [.. _arguments.Select(one => one.Argument)])
        {
            MaxThreads = threads,
            Block = new CudaDim3(threads),
            SharedBytes = SharedBytes,
            DependentLaunch = _waits,
        };
        return KernelModule.Create(spec, text.ToString());
    }

    private static string TypeOf(KernelArgument argument, string view, string whole, string number) =>
        argument.Kind switch { KernelArgumentKind.View => view, KernelArgumentKind.Int32 => whole, _ => number };

    private static void Table(StringBuilder text, IEnumerable<(string Name, string Type, string Meaning)> rows)
    {
        (string Name, string Type, string Meaning)[] all = [.. rows];
        int first = all.Max(row => row.Name.Length), second = all.Max(row => row.Type.Length);
        foreach ((string column, string type, string meaning) in all)
        {
            text.Append(CultureInfo.InvariantCulture, $"//   {column.PadRight(first)}  {type.PadRight(second)}  {meaning}\n");
        }
    }

    private Reg<T> Declare<T>(string register)
        where T : struct, IRegisterType
    {
        var made = new Reg<T>("%" + Unique(register));
        _declared.Add((T.State, made.Name));
        return made;
    }

    private void Describe<T>(string meaning, params ReadOnlySpan<Reg<T>> registers)
        where T : struct, IRegisterType
    {
        string[] names = new string[registers.Length];
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = registers[i].Name;
        }
        _registers.Add((names, T.Description, meaning));
    }

    private static string Range(string[] names) => names.Length == 1 ? names[0] : $"{names[0]}-{names[^1][^1]}";

    private string Unique(string wanted) => _names.Add(wanted)
        ? wanted
        : throw new ArgumentException($"'{wanted}' is there already.", nameof(wanted));

    private void Guarded(string guard, Action body)
    {
        if (_guard.Length > 0)
        {
            throw new InvalidOperationException("Guards do not nest: combine the predicates.");
        }
        _guard = guard;
        body();
        _guard = "";
    }

    private void Emit(string opcode, params ReadOnlySpan<object> operands)
    {
        _body.Append('\t').Append(_guard).Append(opcode);
        for (int i = 0; i < operands.Length; i++)
        {
            string text = operands[i].ToString()!;
            _body.Append(i == 0 ? " " : ", ").Append(text);
            foreach (ValueMatch register in Registers().EnumerateMatches(text))
            {
                _used.Add(text.Substring(register.Index, register.Length));
            }
        }
        _body.Append(";\n");
    }

    [GeneratedRegex(@"%\w+")]
    private static partial Regex Registers();
}
