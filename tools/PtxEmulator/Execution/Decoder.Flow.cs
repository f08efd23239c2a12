using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Branches, calls and ends.</content>
internal sealed partial class Decoder
{
    private Step Flow(Form form, int pc)
    {
        form.Take("uni");
        Step step;
        bool conditional = form.Instruction.Guard is not null;
        switch (form.Name)
        {
            case "bra":
                int target = Label(form.Operands[0]);
                _successors[pc] = conditional ? [target, pc + 1] : [target];
                step = new Branch(target);
                break;
            case "brx":
                step = BranchTable(form, pc, conditional);
                break;
            case "call":
                step = Call(form);
                break;
            case "ret":
                _successors[pc] = conditional ? [pc + 1] : [];
                step = new Return();
                break;
            case "exit":
                _successors[pc] = conditional ? [pc + 1] : [];
                step = new Exit();
                break;
            default:
                step = new Trap();
                break;
        }
        step.Pipe = Pipe.Control;
        return step;
    }

    private BranchIndexed BranchTable(Form form, int pc, bool conditional)
    {
        form.Take("idx");
        int index = R(form, 0, 32);
        if (_scope.Find(form.Operands[1].Name) is not TargetsSymbol targets)
        {
            throw Wrong(form.Operands[1], $"'{form.Operands[1].Name}' is no list of branch targets.");
        }
        int[] labels = [.. targets.Labels.Select(name => Label(form.Operands[1] with { Name = name }))];
        _successors[pc] = [.. labels.Distinct(), .. conditional ? [pc + 1] : Array.Empty<int>()];
        return new BranchIndexed(index, labels);
    }

    private CallStep Call(Form form)
    {
        function.HasCalls = true;
        int at = 0;
        PtxOperand[] results = [];
        if (form.Operands[0].Kind == OperandKind.List)
        {
            results = [.. form.Operands[0].Parts];
            at = 1;
        }
        PtxOperand name = form.Operands[at++];
        PtxOperand[] arguments = at < form.Operands.Count && form.Operands[at].Kind == OperandKind.List ? [.. form.Operands[at].Parts] : [];
        VariableSymbol[] from = [.. arguments.Select(Argument)];
        VariableSymbol[] to = [.. results.Select(Argument)];
        if (_scope.Find(name.Name) is FunctionSymbol symbol)
        {
            if (symbol.Arguments.Concat(symbol.Results).Any(part => part is RegisterSymbol))
            {
                throw new PtxNotImplementedException($"call of {symbol.Name}, which takes registers", name.Line, name.Column);
            }
            PtxFunction callee = program.Function(symbol) ?? throw new PtxNotImplementedException($"call of {symbol.Name}, which has no body", name.Line, name.Column);
            return new CallStep(_ => callee, -1, from, to);
        }
        return new CallStep(program.FunctionAt, R(form, at - 1, 64), from, to);
    }

    private VariableSymbol Argument(PtxOperand operand) => _scope.Find(operand.Name) is VariableSymbol { Space: "param" } variable
        ? variable
        : throw new PtxNotImplementedException("call with an argument that is no .param variable", operand.Line, operand.Column);
}

/// <summary>A step after which lanes may stand at different places.</summary>
internal interface IBranching
{
    /// <summary>Where they meet again, or -1.</summary>
    int Reconvergence { get; set; }
}

/// <summary>bra.</summary>
internal sealed class Branch(int target) : Step, IBranching
{
    public int Reconvergence { get; set; } = -1;

    public override void Execute(Warp warp) => warp.Branch(target, Reconvergence);
}

/// <summary>brx.idx.</summary>
internal sealed unsafe class BranchIndexed(int index, int[] targets) : Step, IBranching
{
    public int Reconvergence { get; set; } = -1;

    public override void Execute(Warp warp)
    {
        var lanes = (uint*)(warp.Registers + index);
        var parts = new Dictionary<int, uint>();
        for (int lane = 0; lane < 32; lane++)
        {
            uint bit = 1u << lane;
            if ((warp.FragmentMask & bit) == 0)
            {
                continue;
            }
            int pc = warp.Pc;
            if ((warp.Mask & bit) != 0)
            {
                if (lanes[lane] >= targets.Length)
                {
                    throw warp.Finding(PtxFindingKind.OutOfBounds, lane, $"brx.idx {lanes[lane]} of {targets.Length} targets.");
                }
                pc = targets[lanes[lane]];
            }
            parts[pc] = parts.GetValueOrDefault(pc) | bit;
        }
        if (parts.Count == 1)
        {
            warp.Pc = parts.Keys.First();
            return;
        }
        warp.Split([.. parts.Select(part => (part.Key, part.Value))], Reconvergence);
    }
}

/// <summary>call: the arguments lie in the caller's frame and are copied into the callee's.</summary>
internal sealed unsafe class CallStep(Func<ulong, PtxFunction?> callee, int pointer, VariableSymbol[] from, VariableSymbol[] to) : Step
{
    public override void Execute(Warp warp)
    {
        ulong address = 0;
        uint mask = warp.Mask;
        if (pointer >= 0)
        {
            // Lanes that call the same function go first; the others come back to this instruction.
            int first = System.Numerics.BitOperations.TrailingZeroCount(mask);
            var addresses = (ulong*)(warp.Registers + pointer);
            address = addresses[first];
            uint same = 0;
            for (int lane = first; lane < 32; lane++)
            {
                same |= (mask >> lane & 1) != 0 && addresses[lane] == address ? 1u << lane : 0;
            }
            if (same != mask)
            {
                warp.Split([(Pc, same), (Pc, mask & ~same), (Pc + 1, warp.FragmentMask & ~mask)], Pc + 1);
                return;
            }
        }
        if (callee(address) is not PtxFunction function)
        {
            throw warp.Finding(PtxFindingKind.OutOfBounds, $"call of 0x{address:x}, which is no function.");
        }
        FunctionSymbol symbol = function.Symbol;
        if (symbol.Parameters.Count != from.Length || symbol.Returns.Count != to.Length)
        {
            throw warp.Finding(PtxFindingKind.Trap, $"{symbol.Name} takes {symbol.Parameters.Count} arguments and gives {symbol.Returns.Count} results.");
        }
        int baseFrom = warp.Frame.LocalBase;
        LocalMemory local = warp.Local;
        warp.Call(function, frame =>
        {
            frame.Results = [.. symbol.Returns.Zip(to, (inner, outer) => ((int)inner.Offset, (int)outer.Offset, (int)Math.Min(inner.Size, outer.Size)))];
            for (int i = 0; i < from.Length; i++)
            {
                local.Copy(mask, baseFrom + from[i].Offset, frame.LocalBase + symbol.Parameters[i].Offset, Math.Min(from[i].Size, symbol.Parameters[i].Size));
            }
        });
    }
}

/// <summary>ret.</summary>
internal sealed class Return : Step
{
    public override void Execute(Warp warp)
    {
        uint mask = warp.Mask;
        warp.Return((inner, outer) =>
        {
            foreach ((int from, int to, int bytes) in inner.Results)
            {
                warp.Local.Copy(mask, inner.LocalBase + from, outer.LocalBase + to, bytes);
            }
        });
    }
}

/// <summary>exit.</summary>
internal sealed class Exit : Step
{
    public override void Execute(Warp warp) => warp.Exit();
}

/// <summary>trap and brkpt.</summary>
internal sealed class Trap : Step
{
    public override void Execute(Warp warp) => throw warp.Finding(PtxFindingKind.Trap, $"The kernel executed {Opcode}.");
}
