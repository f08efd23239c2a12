using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>atom, red, cp.async.</content>
internal sealed partial class Decoder
{
    private Step AtomicForm(Form form)
    {
        bool returns = form.Name == "atom";
        if (form.Take("async"))
        {
            throw form.Unknown();
        }
        Order order = TakeOrder(form);
        Space space = TakeSpace(form);
        string operation = form.TakeAny("add", "min", "max", "and", "or", "xor", "inc", "dec", "exch", "cas");
        form.Take("noftz");
        form.TakeHints();
        int lanes = TakeLanes(form);
        string type = form.Type;
        int bits = Bits(type);
        int at = returns ? 1 : 0;
        Address address = AddressOf(form.Operands[at], ref space);
        Slot[] b = [.. Parts(form.Operands[at + 1]).Select(part => Read(part, bits))];
        bool swaps = operation == "cas";
        Slot? c = swaps ? Read(form.Operands[at + 2], bits) : null;
        Slot[] d = returns ? [.. Parts(form.Operands[0]).Select(part => Write(part, bits))] : [];
        if (b.Length != lanes || (returns && d.Length != lanes) || (bits == 128 && operation is not ("exch" or "cas")))
        {
            throw form.Unknown();
        }
        Grain(space, bits / 8, bits / 8);
        order = order == Order.Weak ? Order.Relaxed : order;
        if (bits == 128)
        {
            return new WideAtomicStep(space, d[0], address, b[0], c, order);
        }
        // Sums of f32 in global memory flush subnormal numbers, in shared memory they do not.
        return new AtomicStep(space, d, address, b, c, bits / 8, Operation(form, operation, type, flush: true), Operation(form, operation, type, flush: false), order);
    }

    /// <summary>The new value of old, b and c.</summary>
    private static Func<ulong, ulong, ulong, ulong> Operation(Form form, string operation, string type, bool flush)
    {
        switch (operation)
        {
            case "exch":
                return static (_, b, _) => b;
            case "cas":
                return static (a, b, c) => a == b ? c : a;
            case "and":
                return static (a, b, _) => a & b;
            case "or":
                return static (a, b, _) => a | b;
            case "xor":
                return static (a, b, _) => a ^ b;
            case "inc":
                return static (a, b, _) => (uint)a >= (uint)b ? 0 : a + 1;
            case "dec":
                return static (a, b, _) => a == 0 || (uint)a > (uint)b ? b : a - 1;
        }
        switch (type)
        {
            case "f64" when operation == "add":
                return static (a, b, _) => BitConverter.DoubleToUInt64Bits(RoundedF64.Canonical(BitConverter.UInt64BitsToDouble(a) + BitConverter.UInt64BitsToDouble(b)));
            case "f32" when operation == "add":
                return (a, b, _) =>
                {
                    float sum = flush ? Ftz.Flush(Ftz.Flush(Single(a)) + Ftz.Flush(Single(b))) : Single(a) + Single(b);
                    return BitConverter.SingleToUInt32Bits(RoundedF32.Canonical(sum));
                };
            case "f16" or "bf16" or "f16x2" or "bf16x2":
                return HalfOperation(form, operation, type);
        }
        bool signed = IsSigned(type);
        bool wide = Bits(type) == 64;
        return (operation, signed, wide) switch
        {
            ("add", _, true) => static (a, b, _) => a + b,
            ("add", _, false) => static (a, b, _) => (uint)(a + b),
            ("min", true, true) => static (a, b, _) => (ulong)Math.Min((long)a, (long)b),
            ("min", true, false) => static (a, b, _) => (uint)Math.Min((int)a, (int)b),
            ("min", false, _) => static (a, b, _) => Math.Min(a, b),
            ("max", true, true) => static (a, b, _) => (ulong)Math.Max((long)a, (long)b),
            ("max", true, false) => static (a, b, _) => (uint)Math.Max((int)a, (int)b),
            ("max", false, _) => static (a, b, _) => Math.Max(a, b),
            _ => throw form.Unknown(),
        };
    }

    private static Func<ulong, ulong, ulong, ulong> HalfOperation(Form form, string operation, string type)
    {
        HalfFormat format = type.StartsWith('b') ? HalfFormat.BF16 : HalfFormat.F16;
        Func<ushort, ushort, ushort> one = operation switch
        {
            "add" => (x, y) => HalfBits.Add(x, y, format),
            "min" => (x, y) => HalfBits.Min(x, y, format),
            "max" => (x, y) => HalfBits.Max(x, y, format),
            _ => throw form.Unknown(),
        };
        return type.EndsWith("x2", StringComparison.Ordinal)
            ? (a, b, _) => one((ushort)a, (ushort)b) | (ulong)one((ushort)(a >> 16), (ushort)(b >> 16)) << 16
            : (a, b, _) => one((ushort)a, (ushort)b);
    }

    private Step AsyncCopyForm(Form form)
    {
        if (!form.Take("async") || form.Instruction.Opcode.Contains("bulk"))
        {
            throw form.Unknown();
        }
        if (form.Take("mbarrier"))
        {
            form.Take("arrive");
            bool counts = form.Take("noinc");
            Space place = TakeSpace(form);
            Address barrier = AddressOf(form.Operands[0], ref place);
            function.Grain = Math.Min(function.Grain, 4);
            return new AsyncArriveStep(place, barrier, counts);
        }
        if (form.Take("commit_group"))
        {
            return new CommitStep();
        }
        if (form.Take("wait_all"))
        {
            return new WaitStep(-1);
        }
        if (form.Take("wait_group"))
        {
            return new WaitStep((int)form.Operands[0].Bits);
        }
        form.TakeHints();
        form.TakeAny("shared", "shared::cta");
        form.Take("global");
        Space shared = Space.Shared;
        Space global = Space.Global;
        Address to = AddressOf(form.Operands[0], ref shared);
        Address from = AddressOf(form.Operands[1], ref global);
        int bytes = (int)form.Operands[2].Bits;
        Slot? size = null;
        Slot? ignore = null;
        bool negated = false;
        if (form.Operands.Count > (HasPolicy(form) ? 4 : 3))
        {
            PtxOperand extra = form.Operands[3];
            Slot slot = extra.Kind == OperandKind.Name && _scope.Find(extra.Name) is RegisterSymbol { Type: "pred" } ? Read(extra, 1) : Read(extra, 32);
            negated = extra.Negated;
            size = slot.Bits == 32 ? slot : null;
            ignore = slot.Bits == 1 ? slot : null;
        }
        function.Grain = Math.Min(function.Grain, 4);
        return new AsyncCopyStep(to, from, bytes, size, ignore, negated);
    }
}
