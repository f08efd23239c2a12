using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Turns a function's instructions into steps and lays out its registers.</summary>
internal sealed partial class Decoder(PtxProgram program, PtxFunction function)
{
    private readonly Dictionary<PtxSymbol, Slot[]> _registers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(ulong Value, int Bits), Slot> _constants = [];
    private readonly Dictionary<string, Slot> _specials = [];
    private readonly List<Slot> _reads = [];
    private readonly List<Slot> _writes = [];
    private readonly List<int[]> _successors = [];
    private int _size;
    private int _numbers;
    private PtxScope _scope = null!;

    /// <summary>Decodes the whole function.</summary>
    /// <exception cref="PtxNotImplementedException">An instruction is not executed by the emulator.</exception>
    /// <exception cref="PtxSyntaxException">An operand names something that is not there or does not fit.</exception>
    public void Decode()
    {
        List<PtxInstruction> body = function.Symbol.Body;
        IReadOnlyList<PtxInstruction> missing = Unsupported.In(body);
        if (missing.Count > 0)
        {
            throw new PtxNotImplementedException(missing[0].Text, missing[0].Line, missing[0].Column, [.. missing.Skip(1).Select(instruction => instruction.Text)]);
        }
        function.ArgumentSlots = [.. function.Symbol.Arguments.Select(Parameter)];
        function.ResultSlots = [.. function.Symbol.Results.Select(Parameter)];
        var steps = new Step[body.Count + 1];
        for (int i = 0; i < body.Count; i++)
        {
            steps[i] = Decode(body[i], i);
        }
        steps[body.Count] = new Return { Opcode = "ret", Pc = body.Count, Pipe = Pipe.Control, Line = body.Count > 0 ? body[^1].Line : 0, Reads = Results() };
        _successors.Add([]);
        int[] joins = ControlFlow.PostDominators(_successors);
        for (int i = 0; i < steps.Length; i++)
        {
            if (steps[i] is IBranching branch)
            {
                branch.Reconvergence = joins[i];
            }
        }
        function.RegisterWords = _registers.Values.SelectMany(slots => slots).Where(slot => slot.Bits > 1).Sum(slot => (slot.Bits + 31) / 32);
        int[] given = [.. function.ArgumentSlots.OfType<Slot>().Select(slot => slot.Number)];
        function.Code = Initialisation.Check(steps, _successors, _numbers, given, ref _size);
        function.FrameBytes = (_size + 63) / 64 * 64;
    }

    /// <summary>The register of a parameter, or null for one in parameter space.</summary>
    private Slot? Parameter(PtxSymbol parameter) => parameter switch
    {
        RegisterSymbol { Lanes: 1 } register => Slots(register)[0],
        RegisterSymbol vector => throw new PtxNotImplementedException($"vector register {vector.Name} as a parameter of {function.Name}", function.Symbol.Line, function.Symbol.Column),
        _ => null,
    };

    private Slot[] Results() => [.. function.ResultSlots.OfType<Slot>()];

    private Step Decode(PtxInstruction instruction, int pc)
    {
        _scope = instruction.Scope;
        _reads.Clear();
        _writes.Clear();
        _successors.Add([pc + 1]);
        var form = new Form(instruction);
        Step step;
        try
        {
            step = Decode(form, pc);
        }
        catch (ArgumentOutOfRangeException)
        {
            // An operand that the form needs is missing.
            throw form.Wrong($"'{instruction.Text}' has too few operands.");
        }
        form.Finish();
        step.Line = instruction.Line;
        step.Pc = pc;
        step.Opcode = instruction.Text;
        if (instruction.Guard is PtxOperand guard)
        {
            step.Guard = Read(guard, 1).Offset;
            step.GuardNegated = guard.Negated;
        }
        step.Reads = [.. _reads];
        step.Writes = [.. _writes];
        return step;
    }

    private Step Decode(Form form, int pc) => form.Name switch
    {
        "bra" or "brx" or "call" or "ret" or "exit" or "trap" or "brkpt" => Flow(form, pc),
        "bar" or "barrier" or "membar" or "fence" or "nanosleep" or "griddepcontrol" or "pmevent" => Synchronisation(form),
        "ld" or "ldu" or "st" or "atom" or "red" or "cp" or "prefetch" or "prefetchu" or "isspacep" or "cvta" or "createpolicy"
            or "applypriority" or "discard" or "ldmatrix" or "mbarrier" => Memory(form),
        "shfl" or "vote" or "match" or "redux" or "activemask" or "mma" or "movmatrix" => WarpWide(form),
        "mov" => Move(form),
        "cvt" => Convert(form),
        "setp" or "set" or "selp" or "slct" or "testp" => Compare(form),
        _ => Arithmetic(form),
    };

    private Step Arithmetic(Form form)
    {
        if (form.Types.Count > 0 && form.Type is "f32" or "f64" or "f16" or "f16x2" or "bf16" or "bf16x2")
        {
            return Floating(form);
        }
        return Integer(form);
    }

    /// <summary>A slot for a source operand: a register, a special register or a constant of the given width.</summary>
    private Slot Read(PtxOperand operand, int bits)
    {
        switch (operand.Kind)
        {
            case OperandKind.Integer:
                return Constant(operand.Bits, bits);
            case OperandKind.Float:
                return Constant(bits == 64 ? operand.Bits : PtxTypes.ToSingle(operand.Bits), bits);
            case OperandKind.Name when operand.Name.StartsWith('%') && SpecialRegisters.Bits(operand.Name) > 0 && _scope.Find(operand.Name) is null || operand.Name == "WARP_SZ":
                return Special(operand.Name);
            case OperandKind.Name:
                Slot slot = Register(operand);
                _reads.Add(slot);
                return slot;
            default:
                throw Wrong(operand, "A register or a number was expected.");
        }
    }

    /// <summary>As <see cref="Read(PtxOperand, int)"/>, only the place.</summary>
    private int R(Form form, int index, int bits) => Read(form.Operands[index], bits).Offset;

    /// <summary>The place of a destination; a sink gets a place of its own that nobody reads.</summary>
    private Slot Write(PtxOperand operand, int bits = 32)
    {
        if (operand.Kind == OperandKind.Sink)
        {
            return NewSlot(bits, -1);
        }
        if (operand.Kind != OperandKind.Name)
        {
            throw Wrong(operand, "A register was expected.");
        }
        Slot slot = Register(operand);
        _writes.Add(slot);
        return slot;
    }

    private int W(Form form, int index = 0, int bits = 32) => Write(form.Operands[index], bits).Offset;

    private Slot Register(PtxOperand operand)
    {
        if (_scope.Find(operand.Name) is RegisterSymbol { Lanes: 1 } register)
        {
            return Slots(register)[0];
        }
        // A component of a vector register: v.x or v.r.
        int dot = operand.Name.LastIndexOf('.');
        int lane = dot > 0 && operand.Name.Length == dot + 2 ? "xyzw".IndexOf(operand.Name[^1], StringComparison.Ordinal) : -1;
        lane = dot > 0 && operand.Name.Length == dot + 2 && lane < 0 ? "rgba".IndexOf(operand.Name[^1], StringComparison.Ordinal) : lane;
        if (lane >= 0 && _scope.Find(operand.Name[..dot]) is RegisterSymbol vector && lane < vector.Lanes)
        {
            return Slots(vector)[lane];
        }
        throw Wrong(operand, _scope.Find(operand.Name) is RegisterSymbol ? $"'{operand.Name}' is a vector register." : $"Unknown symbol '{operand.Name}'.");
    }

    private Slot[] Slots(RegisterSymbol register)
    {
        if (!_registers.TryGetValue(register, out Slot[]? slots))
        {
            slots = [.. Enumerable.Range(0, register.Lanes).Select(_ => NewSlot(PtxTypes.Bits(register.Type), _numbers++))];
            _registers.Add(register, slots);
        }
        return slots;
    }

    /// <summary>A vector register as the vector of its components, anything else as it is.</summary>
    private PtxOperand Spread(PtxOperand operand) => operand.Kind == OperandKind.Name && _scope.Find(operand.Name) is RegisterSymbol { Lanes: > 1 } vector
        ? operand with { Kind = OperandKind.Vector, Parts = [.. "xyzw".Take(vector.Lanes).Select(part => operand with { Name = $"{operand.Name}.{part}" })] }
        : operand;

    private IReadOnlyList<PtxOperand> Parts(PtxOperand operand) => Spread(operand) is { Kind: OperandKind.Vector } vector ? vector.Parts : [operand];

    private Slot NewSlot(int bits, int number)
    {
        var slot = new Slot(_size, bits, number);
        // A vector of lanes wants its alignment, also behind a predicate.
        _size += bits == 1 ? 64 : bits <= 32 ? 128 : bits / 64 * 256;
        return slot;
    }

    private Slot Constant(ulong value, int bits)
    {
        value = bits switch
        {
            1 => value == 0 ? 0ul : 1,
            <= 8 => value & 0xFF,
            16 => value & 0xFFFF,
            32 => value & 0xFFFF_FFFF,
            _ => value,
        };
        if (!_constants.TryGetValue((value, bits), out Slot slot))
        {
            slot = NewSlot(bits, -1);
            _constants.Add((value, bits), slot);
            function.Constants.Add((slot.Offset, bits, value));
        }
        return slot;
    }

    private Slot Special(string name)
    {
        if (!_specials.TryGetValue(name, out Slot slot))
        {
            slot = NewSlot(SpecialRegisters.Bits(name), -1);
            _specials.Add(name, slot);
            function.Specials.Add((slot.Offset, name));
        }
        return slot;
    }

    private int Label(PtxOperand operand) => _scope.Find(operand.Name) is LabelSymbol label
        ? label.Target
        : throw Wrong(operand, $"Unknown symbol '{operand.Name}'.");

    private static PtxSyntaxException Wrong(PtxOperand operand, string message) => new(message, operand.Line, operand.Column);

    private static int Bits(string type) => PtxTypes.Bits(type);

    private static bool IsSigned(string type) => type[0] == 's';

    private static Rounding TakeRounding(Form form) => form.TakeAny("rn", "rz", "rm", "rp", "rna") switch
    {
        "rz" => Rounding.Zero,
        "rm" => Rounding.Down,
        "rp" => Rounding.Up,
        "rna" => Rounding.NearestAway,
        _ => Rounding.NearestEven,
    };

    private static ResultFlags TakeFlags(Form form) =>
        (form.Take("ftz") ? ResultFlags.Ftz : 0) | (form.Take("sat") ? ResultFlags.Sat : 0) | (form.Take("relu") ? ResultFlags.Relu : 0);
}
