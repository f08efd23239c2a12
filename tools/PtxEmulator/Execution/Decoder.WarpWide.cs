using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Instructions of a whole warp.</content>
internal sealed partial class Decoder
{
    private Step WarpWide(Form form)
    {
        bool sync = form.Take("sync");
        if (form.Name == "activemask")
        {
            return new AddressStep(Write(form.Operands[0]), warp => warp.Mask) { Pipe = Pipe.Control };
        }
        if (!sync)
        {
            throw form.Unknown();
        }
        Step step = form.Name switch
        {
            "shfl" => Shuffle(form),
            "vote" => Vote(form),
            "match" => Match(form),
            "redux" => Reduction(form),
            "mma" => MatrixProduct(form),
            _ => MoveMatrix(form),
        };
        step.Pipe = form.Name switch { "vote" => Pipe.Control, "mma" => Pipe.Tensor, _ => Pipe.Lsu };
        return step;
    }

    private (Slot D, int P) ValueAndPredicate(Form form)
    {
        PtxOperand target = form.Operands[0];
        return target.Kind == OperandKind.Pair
            ? (Write(target.Parts[0]), Write(target.Parts[1], 1).Offset)
            : (Write(target), -1);
    }

    private Step Shuffle(Form form)
    {
        string mode = form.TakeAny("idx", "up", "down", "bfly");
        int a = R(form, 1, 32), b = R(form, 2, 32), c = R(form, 3, 32), mask = R(form, 4, 32);
        (Slot d, int p) = ValueAndPredicate(form);
        return new ShuffleStep(mode, d.Offset, p, a, b, c, mask);
    }

    private Step Vote(Form form)
    {
        string mode = form.TakeAny("all", "any", "uni", "ballot");
        int source = R(form, 1, 1);
        bool negated = form.Operands[1].Negated;
        int mask = R(form, 2, 32);
        return new VoteStep(mode, W(form, 0, mode == "ballot" ? 32 : 1), source, negated, mask);
    }

    private Step Match(Form form)
    {
        bool all = form.TakeAny("any", "all") == "all";
        Slot a = Read(form.Operands[1], Bits(form.Type));
        int mask = R(form, 2, 32);
        (Slot d, int p) = ValueAndPredicate(form);
        return new MatchStep(all, d.Offset, p, a, mask);
    }

    private Step Reduction(Form form)
    {
        string operation = form.TakeAny("add", "min", "max", "and", "or", "xor");
        bool signed = IsSigned(form.Type);
        int a = R(form, 1, 32), mask = R(form, 2, 32);
        Func<uint, uint, uint> f = (operation, signed) switch
        {
            ("add", _) => static (x, y) => x + y,
            ("min", true) => static (x, y) => (uint)Math.Min((int)x, (int)y),
            ("min", false) => static (x, y) => Math.Min(x, y),
            ("max", true) => static (x, y) => (uint)Math.Max((int)x, (int)y),
            ("max", false) => static (x, y) => Math.Max(x, y),
            ("and", _) => static (x, y) => x & y,
            ("or", _) => static (x, y) => x | y,
            ("xor", _) => static (x, y) => x ^ y,
            _ => throw form.Unknown(),
        };
        return new ReductionStep(W(form), a, mask, f);
    }

    private Step MatrixProduct(Form form)
    {
        if (!MatrixMultiply.TryGet(form.Instruction.Opcode, out MatrixForm matrix))
        {
            throw form.Unknown();
        }
        foreach (string piece in form.Instruction.Opcode)
        {
            form.Take(piece);
        }
        Slot[] a = Sources(form, 1), b = Sources(form, 2), c = Sources(form, 3);
        Slot[] d = [.. Parts(form.Operands[0]).Select(part => Write(part, matrix.Wide ? 64 : 32))];
        if (a.Length != matrix.ARegisters || b.Length != matrix.BRegisters || c.Length != matrix.DRegisters || d.Length != matrix.DRegisters)
        {
            throw form.Wrong($"'{form.Instruction.Text}' takes {matrix.DRegisters}, {matrix.ARegisters}, {matrix.BRegisters} and {matrix.DRegisters} registers.");
        }
        return new MatrixStep(matrix, d, a, b, c) { TensorOperations = 2L * matrix.M * matrix.N * matrix.K };
    }

    private Slot[] Sources(Form form, int index) => [.. Parts(form.Operands[index]).Select(part => Read(part, 32))];

    private Step MoveMatrix(Form form)
    {
        form.Take("aligned");
        form.Take("m8n8");
        form.Take("trans");
        int a = R(form, 1, 32);
        return new TransposeStep(W(form), a);
    }
}
