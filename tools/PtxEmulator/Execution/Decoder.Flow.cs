using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Branches, calls and ends.</content>
internal sealed partial class Decoder
{
    private Step Flow(Form form, int pc)
    {
        bool uniform = form.Take("uni");
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
                _reads.AddRange(Results());
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
        step.Uniform = uniform;
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
        FunctionSymbol? symbol = _scope.Find(name.Name) as FunctionSymbol;
        CallPart[] from = [.. arguments.Select((operand, i) => Argument(operand, symbol?.Arguments.ElementAtOrDefault(i)))];
        CallPart[] to = [.. results.Select(Result)];
        if (symbol is not null)
        {
            PtxFunction callee = program.Function(symbol) ?? throw new PtxNotImplementedException($"call of {symbol.Name}, which has no body", name.Line, name.Column);
            return new CallStep(_ => callee, -1, from, to);
        }
        return new CallStep(program.FunctionAt, R(form, at - 1, 64), from, to);
    }

    /// <summary>A variable, a register or a number; the parameter, where it is known, gives a number's width.</summary>
    private CallPart Argument(PtxOperand operand, PtxSymbol? parameter) =>
        operand.Kind == OperandKind.Name && _scope.Find(operand.Name) is VariableSymbol { Space: "param" } variable
            ? new CallPart(variable, null)
            : new CallPart(null, Read(operand, parameter switch
            {
                RegisterSymbol register => Bits(register.Type),
                VariableSymbol formal => Bits(formal.Type),
                _ => 64,
            }));

    private CallPart Result(PtxOperand operand) =>
        operand.Kind == OperandKind.Name && _scope.Find(operand.Name) is VariableSymbol { Space: "param" } variable
            ? new CallPart(variable, null)
            : new CallPart(null, Write(operand));
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
        if (Uniform)
        {
            throw warp.NotUniform($"go to {parts.Count} places");
        }
        warp.Split([.. parts.Select(part => (part.Key, part.Value))], Reconvergence);
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
