using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Loads, stores, addresses.</content>
internal sealed partial class Decoder
{
    private Step Memory(Form form)
    {
        Step step = form.Name switch
        {
            "ld" or "ldu" => Load(form),
            "st" => Store(form),
            "atom" or "red" => AtomicForm(form),
            "cp" => AsyncCopyForm(form),
            "ldmatrix" => LoadMatrix(form),
            "cvta" => ConvertAddress(form),
            "isspacep" => IsSpace(form),
            "createpolicy" => CreatePolicy(form),
            "mbarrier" => MemoryBarrier(form),
            _ => Prefetch(form),
        };
        if (HasPolicy(form) && form.Name != "createpolicy")
        {
            step = new PolicyStep(step, R(form, form.Operands.Count - 1, 64));
        }
        step.Pipe = form.Name is "cvta" or "isspacep" or "createpolicy" ? Pipe.Alu : Pipe.Lsu;
        return step;
    }

    /// <summary>Takes the state space out of the modifiers.</summary>
    private static Space TakeSpace(Form form)
    {
        switch (form.TakeAny("global", "const", "shared", "shared::cta", "local", "param", "param::entry", "param::func"))
        {
            case "global" or "const":
                return Space.Global;
            case "shared" or "shared::cta":
                return Space.Shared;
            case "local":
                return Space.Local;
            case "param" or "param::entry" or "param::func":
                return Space.Parameter;
            default:
                return Space.Generic;
        }
    }

    /// <summary>The bytes an operand in brackets names; a local parameter is a place in the frame.</summary>
    private Address AddressOf(PtxOperand operand, ref Space space)
    {
        if (operand.Kind != OperandKind.Address)
        {
            throw Wrong(operand, "An address in brackets was expected.");
        }
        PtxOperand start = operand.Parts[0];
        if (start.Kind == OperandKind.Integer)
        {
            return new Address(default, null, (long)start.Bits + operand.Offset);
        }
        if (_scope.Find(start.Name) is VariableSymbol variable)
        {
            if (variable.Space == "param")
            {
                space = variable.OfEntry ? Space.Parameter : Space.Local;
            }
            return new Address(default, SymbolAddress(start with { Offset = 0 }), operand.Offset);
        }
        if (space == Space.Parameter && !function.Symbol.IsEntry)
        {
            space = Space.Local;
        }
        return new Address(Read(start with { Offset = 0 }, 64), null, operand.Offset);
    }

    /// <summary>The address of a variable or function in its own space, or null if the name is neither.</summary>
    private Func<Warp, ulong>? SymbolAddress(PtxOperand operand)
    {
        ulong offset = (ulong)operand.Offset;
        switch (_scope.Find(operand.Name))
        {
            case VariableSymbol { Space: "shared" } shared:
                ulong place = (ulong)(shared.Size == 0 ? program.DynamicSharedOffset : shared.Offset) + offset;
                return _ => place;
            case VariableSymbol { Space: "global" or "const" } variable:
                ulong address = (ulong)program.AddressOf(variable) + offset;
                return _ => address;
            case VariableSymbol { OfEntry: true } parameter:
                ulong at = (ulong)parameter.Offset + offset;
                return _ => at;
            case VariableSymbol local:
                ulong frame = (ulong)local.Offset + offset;
                return warp => frame + (ulong)warp.Frame.LocalBase;
            case FunctionSymbol callee:
                ulong handle = program.Handle(callee);
                return _ => handle;
            default:
                return null;
        }
    }

    private static int TakeLanes(Form form) => form.TakeAny("v2", "v4", "v8") switch { "v2" => 2, "v4" => 4, "v8" => 8, _ => 1 };

    /// <summary>Weak, or strong with what it orders.</summary>
    private static Order TakeOrder(Form form)
    {
        form.Take("mmio");
        string order = form.TakeAny("weak", "volatile", "relaxed", "acquire", "release", "acq_rel");
        form.TakeAny("cta", "cluster", "gpu", "sys");
        return order switch
        {
            "" or "weak" => Order.Weak,
            "acquire" => Order.Acquire,
            "release" => Order.Release,
            "acq_rel" => Order.AcquireRelease,
            _ => Order.Relaxed,
        };
    }

    private Step Load(Form form)
    {
        Order order = TakeOrder(form);
        Space space = TakeSpace(form);
        form.TakeHints();
        int lanes = TakeLanes(form);
        string type = form.Type;
        Address address = AddressOf(form.Operands[1], ref space);
        Slot[] targets = [.. Parts(form.Operands[0]).Select(part => Write(part, Bits(type)))];
        if (targets.Length != lanes || Bits(type) * lanes > 128)
        {
            throw form.Unknown();
        }
        Grain(space, Bits(type) / 8 * lanes, Bits(type) / 8);
        return type == "b128"
            ? new LoadStep(space, [targets[0] with { Bits = 64 }, new Slot(targets[0].Offset + 256, 64, -1)], address, 8, false, order)
            : new LoadStep(space, targets, address, Bits(type) / 8, IsSigned(type), order);
    }

    private Step Store(Form form)
    {
        if (form.Take("async"))
        {
            throw form.Unknown();
        }
        Order order = TakeOrder(form);
        Space space = TakeSpace(form);
        form.TakeHints();
        int lanes = TakeLanes(form);
        string type = form.Type;
        Address address = AddressOf(form.Operands[0], ref space);
        Slot[] sources = [.. Parts(form.Operands[1]).Select(part => Read(part, Bits(type)))];
        if (sources.Length != lanes || Bits(type) * lanes > 128)
        {
            throw form.Unknown();
        }
        Grain(space, Bits(type) / 8 * lanes, Bits(type) / 8);
        return type == "b128"
            ? new StoreStep(space, [sources[0] with { Bits = 64 }, new Slot(sources[0].Offset + 256, 64, -1)], address, 8, order)
            : new StoreStep(space, sources, address, Bits(type) / 8, order);
    }

    /// <summary>Shared memory is watched in pieces of the smallest access.</summary>
    private void Grain(Space space, int bytes, int element)
    {
        if (space is Space.Shared or Space.Generic)
        {
            function.Grain = Math.Min(function.Grain, Math.Min(bytes, element));
        }
    }

    private Step ConvertAddress(Form form)
    {
        bool to = form.Take("to");
        Space space = TakeSpace(form);
        int bits = Bits(form.Type);
        ulong window = Windows.Of(space);
        PtxOperand source = form.Operands[1];
        if (source.Kind == OperandKind.Name && SymbolAddress(source) is Func<Warp, ulong> symbol)
        {
            return new AddressStep(Write(form.Operands[0], bits), to ? symbol : warp => symbol(warp) + window);
        }
        Slot a = Read(source, bits);
        Slot d = Write(form.Operands[0], bits);
        return FromWord(d, a, to ? x => x - window : x => x + window);
    }

    private Step IsSpace(Form form)
    {
        bool constant = form.Take("const");
        Space space = constant ? Space.Global : TakeSpace(form);
        int a = R(form, 1, 64);
        // Constant memory lies among global allocations here.
        return new LaneTest<ulong>(W(form, 0, 1), a, x => Windows.SpaceOf(x) == space && (space != Space.Global || program.IsConstant((nint)x) == constant));
    }

    /// <summary>Whether the last operand is a cache policy.</summary>
    private static bool HasPolicy(Form form) => form.Instruction.Opcode.Contains("L2::cache_hint");

    private CreatePolicyStep CreatePolicy(Form form)
    {
        string kind = form.TakeAny("fractional", "range", "cvt");
        form.Take("global");
        form.Take("L2");
        string primary = form.Instruction.Opcode.FirstOrDefault(piece => piece.StartsWith("L2::evict", StringComparison.Ordinal)) ?? "";
        form.TakeHints();
        Slot d = Write(form.Operands[0], 64);
        return kind switch
        {
            "fractional" => new CreatePolicyStep(d.Offset, primary, form.Operands.Count > 1 ? R(form, 1, 32) : -1),
            "range" => Range(form, d, primary),
            _ => new CreatePolicyStep(d.Offset, primary, -1),
        };
    }

    private CreatePolicyStep Range(Form form, Slot d, string primary)
    {
        Space space = Space.Global;
        _ = AddressOf(form.Operands[1], ref space);
        return new CreatePolicyStep(d.Offset, primary, -1, R(form, 2, 32), R(form, 3, 32));
    }

    private Step Prefetch(Form form)
    {
        Space space = TakeSpace(form);
        form.TakeAny("L1", "L2");
        form.TakeHints();
        if (form.Take("tensormap"))
        {
            throw form.Unknown();
        }
        AddressOf(form.Operands[0], ref space);
        return new NoOperation();
    }

    private Step LoadMatrix(Form form)
    {
        if (!form.Take("sync") || !form.Take("aligned") || !form.Take("m8n8") || form.Type != "b16")
        {
            throw form.Unknown();
        }
        int count = form.TakeAny("x1", "x2", "x4") switch { "x2" => 2, "x4" => 4, _ => 1 };
        bool transposed = form.Take("trans");
        Space space = TakeSpace(form);
        Address address = AddressOf(form.Operands[1], ref space);
        Slot[] targets = [.. Parts(form.Operands[0]).Select(part => Write(part))];
        if (targets.Length != count)
        {
            throw form.Wrong($"'{form.Instruction.Text}' gives {count} registers.");
        }
        return new LoadMatrixStep(space, targets, address, transposed);
    }
}

/// <summary>What an access orders.</summary>
internal enum Order
{
    Weak,
    Relaxed,
    Acquire,
    Release,
    AcquireRelease,
}

/// <summary>An address: a register, a symbol or nothing, and an offset.</summary>
internal readonly unsafe struct Address(Slot register, Func<Warp, ulong>? symbol, long offset)
{
    private readonly Slot _register = register;
    private readonly Func<Warp, ulong>? _symbol = symbol;
    private readonly long _offset = offset;

    /// <summary>The addresses of all lanes, whether active or not.</summary>
    public void Evaluate(Warp warp, ulong* addresses)
    {
        if (_symbol is not null || _register.Bits == 0)
        {
            new Span<ulong>(addresses, 32).Fill((_symbol is null ? 0 : _symbol(warp)) + (ulong)_offset);
        }
        else if (_register.Bits == 64)
        {
            var p = (ulong*)(warp.Registers + _register.Offset);
            for (int i = 0; i < 32; i++)
            {
                addresses[i] = p[i] + (ulong)_offset;
            }
        }
        else
        {
            var p = (uint*)(warp.Registers + _register.Offset);
            for (int i = 0; i < 32; i++)
            {
                addresses[i] = (uint)(p[i] + _offset);
            }
        }
    }
}

/// <summary>An instruction that only tells the hardware something about speed.</summary>
internal sealed class NoOperation : Step
{
    public override void Execute(Warp warp)
    {
    }
}
