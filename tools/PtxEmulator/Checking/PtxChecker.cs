using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Checks modules against the rules of PTX up to 9.0: what an assembler refuses is an error, what it takes though it is dangerous a warning.</summary>
public static class PtxChecker
{
    /// <summary>All diagnostics of a module, in the order of the text.</summary>
    /// <param name="module">The module.</param>
    public static IReadOnlyList<PtxDiagnostic> Check(PtxModule module)
    {
        ArgumentNullException.ThrowIfNull(module);
        var found = new List<PtxDiagnostic>();
        if (Header(module, found) is (PtxTarget target, PtxVersion version))
        {
            foreach (FunctionSymbol function in module.Functions)
            {
                DirectiveCheck.Check(function, target, version, found);
                foreach (PtxInstruction instruction in function.Body)
                {
                    Check(instruction, target, version, found);
                }
                Groups(function, found);
            }
        }
        return [.. found.Distinct().OrderBy(one => one.Line).ThenBy(one => one.Column)];
    }

    /// <summary>Parses and checks a text; what is no PTX is an error too.</summary>
    /// <param name="text">A whole module.</param>
    public static IReadOnlyList<PtxDiagnostic> Check(string text)
    {
        try
        {
            return Check(PtxModule.Parse(text));
        }
        catch (PtxSyntaxException e)
        {
            return [new PtxDiagnostic(e.Line, e.Column, PtxSeverity.Error, e.Reason)];
        }
    }

    private static (PtxTarget Target, PtxVersion Version)? Header(PtxModule module, List<PtxDiagnostic> found)
    {
        string? problem = (PtxVersion.Parse(module.Version), PtxTarget.Parse(module.Target)) switch
        {
            (null, _) => $"Unsupported .version {module.Version}",
            (PtxVersion version, _) when version > PtxVersion.Newest => $"Unsupported .version {version}; current version is '{PtxVersion.Newest}'",
            (_, null) => $"Unknown .target '{module.Target}'",
            (PtxVersion version, PtxTarget target) when version < target.Since => $".target '{target}' requires PTX ISA .version {target.Since} or later",
            _ => null,
        };
        if (problem is not null)
        {
            found.Add(new PtxDiagnostic(1, 1, PtxSeverity.Error, problem));
            return null;
        }
        return (PtxTarget.Parse(module.Target)!.Value, PtxVersion.Parse(module.Version)!.Value);
    }

    private static void Check(PtxInstruction instruction, PtxTarget target, PtxVersion version, List<PtxDiagnostic> found)
    {
        void Report(PtxSeverity severity, string message) => found.Add(new PtxDiagnostic(instruction.Line, instruction.Column, severity, message));
        if (instruction.Guard is PtxOperand guard)
        {
            PtxSymbol? predicate = instruction.Scope.Find(guard.Name);
            if (predicate is not RegisterSymbol { Type: "pred", Lanes: 1 })
            {
                Report(PtxSeverity.Error, predicate is null ? $"Unknown symbol '{guard.Name}'" : "A guard must be a predicate register");
            }
        }
        IReadOnlyList<InstructionForm> forms = FormTable.Find(instruction);
        if (forms.Count == 0)
        {
            bool undescribed = FormTable.IsUndescribed(instruction.Opcode[0]);
            Report(undescribed ? PtxSeverity.Warning : PtxSeverity.Error, undescribed
                ? $"Instruction '{instruction.Text}' is not checked"
                : $"Not a name of any known instruction: '{(FormTable.IsOpcode(instruction.Opcode[0]) ? instruction.Text : instruction.Opcode[0])}'");
            return;
        }
        found.AddRange(FormMatch.Best(forms, instruction, target, version).Diagnostics);
        if (instruction.Opcode[0] == "call")
        {
            CallCheck.Check(instruction, found);
        }
        foreach (PtxOperand operand in instruction.Operands.SelectMany(All))
        {
            if (operand.Kind == OperandKind.Name && SpecialRegisters.TryGet(operand.Name, out _, out Requirement needs)
                && needs.Missing(operand.Name, target, version) is string missing)
            {
                Report(PtxSeverity.Error, missing);
            }
        }
    }

    private static IEnumerable<PtxOperand> All(PtxOperand operand) => operand.Parts.SelectMany(All).Prepend(operand);

    // The wait of a group that nobody commits covers whatever the hardware counts.
    private static void Groups(FunctionSymbol function, List<PtxDiagnostic> found)
    {
        PtxInstruction? product = function.Body.Find(instruction => instruction.Opcode is ["wgmma", "mma_async", ..]);
        if (product is not null && !function.Body.Exists(instruction => instruction.Opcode is ["wgmma", "commit_group", ..]))
        {
            found.Add(new PtxDiagnostic(product.Line, product.Column, PtxSeverity.Warning, $"'{function.Name}' has wgmma.mma_async and no wgmma.commit_group"));
        }
    }
}
