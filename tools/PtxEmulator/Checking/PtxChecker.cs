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
            Initials(module, found);
            foreach (FunctionSymbol function in module.Functions)
            {
                DirectiveCheck.Check(function, target, version, found);
                foreach (PtxInstruction instruction in function.Body)
                {
                    Check(instruction, target, version, found);
                }
                FunctionCheck.Check(function, found);
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

    private static void Initials(PtxModule module, List<PtxDiagnostic> found)
    {
        foreach (VariableSymbol variable in module.Variables.Where(variable => variable.Initial is not null))
        {
            foreach (PtxOperand value in variable.Initial!.Where(value => value.Kind == OperandKind.Name && module.Scope.Find(value.Name) is not (VariableSymbol or FunctionSymbol)))
            {
                found.Add(new PtxDiagnostic(value.Line, value.Column, PtxSeverity.Error, $"Unknown symbol '{value.Name}'"));
            }
            if (variable.Initial!.Count > variable.Size / PtxTypes.Bytes(variable.Type))
            {
                found.Add(new PtxDiagnostic(variable.Initial[0].Line, variable.Initial[0].Column, PtxSeverity.Error, $"'{variable.Name}' has more initial values than elements"));
            }
        }
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
            string opcode = instruction.Opcode[0];
            if (FormTable.Undescribed(opcode) is not Requirement needs)
            {
                Report(PtxSeverity.Error, $"Not a name of any known instruction: '{(FormTable.IsOpcode(opcode) ? instruction.Text : opcode)}'");
            }
            else if (needs.Missing(opcode, target, version) is string missing)
            {
                Report(PtxSeverity.Error, missing);
            }
            else
            {
                Report(PtxSeverity.Warning, $"Instruction '{instruction.Text}' is not checked");
            }
            return;
        }
        found.AddRange(FormMatch.Best(forms, instruction, target, version).Diagnostics);
        if (instruction.Opcode[0] == "call")
        {
            CallCheck.Check(instruction, found);
        }
        foreach (PtxOperand operand in instruction.Operands.SelectMany(All))
        {
            if (operand.Kind == OperandKind.Name && SpecialRegisters.TryGet(operand.Name, out _, out Requirement of)
                && of.Missing(operand.Name, target, version) is string absent)
            {
                Report(PtxSeverity.Error, absent);
            }
        }
    }

    private static IEnumerable<PtxOperand> All(PtxOperand operand) => operand.Parts.SelectMany(All).Prepend(operand);
}
