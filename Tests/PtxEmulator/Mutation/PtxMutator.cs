using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>Makes mutants of PTX text: one changed line each. Equal text and seed give equal mutants.</summary>
internal sealed partial class PtxMutator
{
    private static readonly HashSet<string> s_indexOpcodes =
        ["add", "sub", "mul", "mad", "shl", "shr", "cvt", "cvta", "mov", "and", "or", "xor", "bfi", "bfe", "div", "rem", "neg", "min", "max", "selp", "lop3"];

    private readonly string[] _text;
    private readonly PtxLine[] _lines;
    private readonly HashSet<string> _indices = [];

    public PtxMutator(string text)
    {
        _text = text.ReplaceLineEndings("\n").Split('\n');
        _lines = [.. _text.Select((line, i) => PtxLine.Parse(line, i + 1)).OfType<PtxLine>()];
        FindIndices();
    }

    /// <summary>Lines that can be mutated.</summary>
    public IEnumerable<int> Lines => _lines.Where(line => Changes(line).Any()).Select(line => line.Number);

    /// <summary>
    /// Some mutants of the lines that are executed: every barrier, wait, commit and arrival that can be deleted, up to
    /// <paramref name="count"/>, and of the other kinds in turn a line drawn by <paramref name="seed"/>.
    /// </summary>
    /// <param name="lines">Lines that are executed.</param>
    /// <param name="count">How many, and half as many more if the first kinds alone are so many; fewer if the text has fewer.</param>
    /// <param name="seed">Seed of the draw.</param>
    public IReadOnlyList<Mutant> Draw(IReadOnlySet<int> lines, int count, int seed)
    {
        var random = new Random(seed);
        Dictionary<MutationKind, List<List<(PtxLine Line, PtxLine? Changed)>>> sites = [];
        List<Mutant> drawn = [];
        foreach (PtxLine line in _lines.Where(line => lines.Contains(line.Number)))
        {
            foreach (IGrouping<MutationKind, (MutationKind Kind, PtxLine? Changed)> kind in Changes(line).GroupBy(change => change.Kind))
            {
                if (kind.Key <= MutationKind.DeleteArrive)
                {
                    drawn.AddRange(kind.Select(change => Make(change.Kind, line, change.Changed)));
                    continue;
                }
                if (!sites.TryGetValue(kind.Key, out List<List<(PtxLine, PtxLine?)>>? of))
                {
                    sites.Add(kind.Key, of = []);
                }
                of.Add([.. kind.Select(change => (line, change.Changed))]);
            }
        }
        if (drawn.Count > count)
        {
            // Long kernels repeat the same barriers.
            Mutant[] all = [.. drawn];
            random.Shuffle(all);
            drawn = [.. all.Take(count).OrderBy(mutant => mutant.Line)];
        }
        count = Math.Max(count, drawn.Count + count / 2);
        while (drawn.Count < count && sites.Count > 0)
        {
            foreach ((MutationKind kind, List<List<(PtxLine Line, PtxLine? Changed)>> of) in sites.OrderBy(pair => pair.Key).ToList())
            {
                if (drawn.Count == count)
                {
                    break;
                }
                int site = random.Next(of.Count);
                (PtxLine line, PtxLine? changed) = of[site][random.Next(of[site].Count)];
                drawn.Add(Make(kind, line, changed));
                of.RemoveAt(site);
                if (of.Count == 0)
                {
                    sites.Remove(kind);
                }
            }
        }
        return drawn;
    }

    /// <summary>The branches that are marked as uniform though lanes go apart there, the first <paramref name="count"/> of them.</summary>
    /// <param name="divergent">Lines of branches at which lanes went apart.</param>
    /// <param name="count">How many at most.</param>
    public IReadOnlyList<Mutant> MarkUniform(IReadOnlySet<int> divergent, int count) =>
    [
        .. _lines.Where(line => line.Opcode == "bra" && line.Guard.Length > 0 && divergent.Contains(line.Number))
            .Take(count).Select(line => Make(MutationKind.MarkUniform, line, line.Renamed("bra", "bra.uni"))),
    ];

    private Mutant Make(MutationKind kind, PtxLine line, PtxLine? changed)
    {
        string[] text = [.. _text];
        text[line.Number - 1] = changed is null ? "" : $"\t{changed}";
        return new Mutant(kind, line.Number, line.ToString(), changed?.ToString() ?? "", string.Join('\n', text));
    }

    /// <summary>Registers that reach an address: those in brackets and, backwards, what whole numbers they are computed from.</summary>
    private void FindIndices()
    {
        foreach (PtxLine line in _lines.Where(line => line.Root is not ("bra" or "call")))
        {
            _indices.UnionWith(line.Operands.Where(operand => operand.StartsWith('[')).SelectMany(PtxLine.Registers));
        }
        int before;
        do
        {
            before = _indices.Count;
            foreach (PtxLine line in _lines.Where(IsIndex))
            {
                _indices.UnionWith(line.Operands.Skip(1).SelectMany(PtxLine.Registers));
            }
        }
        while (_indices.Count > before);
    }

    private bool IsIndex(PtxLine line) => line.Operands.Count > 1 && line.IsInteger && s_indexOpcodes.Contains(line.Root) && _indices.Contains(line.Operands[0]);

    /// <summary>The mutations of one line; null stands for a line that is deleted.</summary>
    private IEnumerable<(MutationKind Kind, PtxLine? Changed)> Changes(PtxLine line)
    {
        IEnumerable<(MutationKind, PtxLine?)> changes = line.Root switch
        {
            "bar" or "barrier" when line.Opcode.Contains("sync", StringComparison.Ordinal) => [(MutationKind.DeleteBarrier, null)],
            "bar" when line.Opcode.Contains("arrive", StringComparison.Ordinal) => [(MutationKind.DeleteArrive, null)],
            "mbarrier" when line.Opcode.Contains("arrive", StringComparison.Ordinal) => [(MutationKind.DeleteArrive, null)],
            "cp" => Copy(line),
            "griddepcontrol" when line.Opcode.Contains("wait", StringComparison.Ordinal) => [(MutationKind.DeleteWait, null)],
            "ld" or "st" or "ldmatrix" or "stmatrix" or "red" => Access(line),
            "setp" when line.IsInteger => Comparison(line),
            "shfl" => Shuffle(line),
            "mma" => FragmentOrder(line),
            "min" => [(MutationKind.MinMax, line.Renamed("min", "max"))],
            "max" => [(MutationKind.MinMax, line.Renamed("max", "min"))],
            _ when IsIndex(line) => Index(line),
            "add" when (line.IsFloat || line.IsInteger) && !line.Opcode.Contains("cc", StringComparison.Ordinal) => [(MutationKind.AddSub, line.Renamed("add", "sub"))],
            "sub" when (line.IsFloat || line.IsInteger) && !line.Opcode.Contains("cc", StringComparison.Ordinal) =>
                [(MutationKind.AddSub, line.Renamed("sub", "add")), (MutationKind.SwapSub, line.Swapped(1, 2))],
            _ => [],
        };
        if (line.Guard.Length > 0)
        {
            string guard = line.Guard.StartsWith("@!", StringComparison.Ordinal) ? $"@{line.Guard[2..]}" : $"@!{line.Guard[1..]}";
            changes = changes.Append((MutationKind.NegateGuard, line with { Guard = guard }));
        }
        return changes;
    }

    private static IEnumerable<(MutationKind, PtxLine?)> Copy(PtxLine line)
    {
        if (line.Opcode.Contains("commit_group", StringComparison.Ordinal))
        {
            return [(MutationKind.DeleteCommit, null)];
        }
        if (line.Opcode.Contains("wait", StringComparison.Ordinal))
        {
            return line.Constant(0) is long groups
                ? [(MutationKind.DeleteWait, null), (MutationKind.RaiseWait, line.With(0, groups + 1))]
                : [(MutationKind.DeleteWait, null)];
        }
        return [.. Offsets(line, 0), .. Offsets(line, 1)];
    }

    private static IEnumerable<(MutationKind, PtxLine?)> Access(PtxLine line)
    {
        if (line.Opcode.StartsWith("ld.param", StringComparison.Ordinal))
        {
            return [];
        }
        int address = line.Operands.ToList().FindIndex(operand => operand.StartsWith('['));
        IEnumerable<(MutationKind, PtxLine?)> offsets = address < 0 ? [] : Offsets(line, address);
        return line.Root is "st" or "stmatrix" or "red" ? offsets.Prepend((MutationKind.DropStore, null)) : offsets;
    }

    private static IEnumerable<(MutationKind, PtxLine?)> Offsets(PtxLine line, int operand)
    {
        Match parts = Address().Match(line.Operands[operand]);
        if (!parts.Success)
        {
            yield break;
        }
        int width = line.Root is "cp" or "ldmatrix" or "stmatrix" ? 16 : int.TryParse(line.Type.AsSpan(1), out int bits) ? bits / 8 : 4;
        long offset = parts.Groups[2].Success ? long.Parse(parts.Groups[2].Value.Replace("+-", "-", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture) : 0;
        foreach (int delta in ((int[])[width, -width, 4, 16, 64]).Distinct())
        {
            yield return (MutationKind.AccessOffset, line.With(operand, $"[{parts.Groups[1].Value}+{offset + delta}]"));
        }
    }

    private static IEnumerable<(MutationKind, PtxLine?)> Comparison(PtxLine line)
    {
        foreach ((string one, string other) in ((string, string)[])[("lt", "le"), ("gt", "ge"), ("lo", "ls"), ("hi", "hs")])
        {
            string[] words = line.Opcode.Split('.');
            if (words.Contains(one) || words.Contains(other))
            {
                yield return (MutationKind.Bound, words.Contains(one) ? line.Renamed(one, other) : line.Renamed(other, one));
                if (line.Constant(2) is long bound)
                {
                    yield return (MutationKind.Bound, line.With(2, bound + 1));
                    yield return (MutationKind.Bound, line.With(2, bound - 1));
                }
            }
        }
    }

    private static IEnumerable<(MutationKind, PtxLine?)> Shuffle(PtxLine line)
    {
        // d, a, lane or distance, clamp, members.
        if (line.Constant(2) is long distance)
        {
            yield return (MutationKind.Shuffle, line.With(2, distance > 1 ? distance / 2 : distance + 1));
        }
        string mode = line.Opcode.Split('.')[2];
        yield return (MutationKind.Shuffle, line.Renamed(mode, mode switch { "bfly" => "down", "down" => "up", "up" => "down", _ => "bfly" }));
        if (line.Constant(4) is -1 or 4294967295)
        {
            yield return (MutationKind.Shuffle, line.With(4, 0x7FFFFFFF));
        }
    }

    private static IEnumerable<(MutationKind, PtxLine?)> FragmentOrder(PtxLine line)
    {
        foreach (int operand in (int[])[1, 2])
        {
            string[] registers = [.. PtxLine.Registers(line.Operands[operand])];
            if (registers.Length > 1)
            {
                yield return (MutationKind.FragmentOrder, line.With(operand, $"{{{string.Join(",", [registers[1], registers[0], .. registers[2..]])}}}"));
            }
        }
    }

    private static IEnumerable<(MutationKind, PtxLine?)> Index(PtxLine line)
    {
        int last = line.Root == "mad" ? 2 : line.Operands.Count - 1;
        long? constant = line.Constant(last);
        switch (line.Root)
        {
            case "add" or "sub" when constant is long value:
                return ((int[])[1, -1, 4, 16, 64]).Select(delta => (MutationKind.IndexConstant, (PtxLine?)line.With(last, value + delta)));
            case "add":
                return [(MutationKind.IndexSign, line.Renamed("add", "sub"))];
            case "sub":
                return [(MutationKind.IndexSign, line.Renamed("sub", "add")), (MutationKind.SwapSub, line.Swapped(1, 2))];
            case "mul" or "mad" when constant is long scale:
                return [(MutationKind.IndexScale, line.With(last, scale + 1)), (MutationKind.IndexScale, line.With(last, scale - 1))];
            case "shl" or "shr" when constant is long shift:
                return [(MutationKind.IndexShift, line.With(last, shift + 1)), (MutationKind.IndexShift, line.With(last, shift - 1))];
            default:
                return [];
        }
    }

    [GeneratedRegex(@"^\[(%\w+|[_$A-Za-z][\w$]*)((?:\+-?|-)\d+)?\]$")]
    private static partial Regex Address();
}
