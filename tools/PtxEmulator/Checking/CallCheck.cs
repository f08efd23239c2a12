using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Names and numbers of arguments of a call: <c>call (results), function, (arguments), targets</c>.</summary>
internal static class CallCheck
{
    public static void Check(PtxInstruction call, List<PtxDiagnostic> found)
    {
        void Report(PtxOperand operand, string message) => found.Add(new PtxDiagnostic(operand.Line, operand.Column, PtxSeverity.Error, message));
        foreach (PtxOperand operand in call.Operands.SelectMany(operand => operand.Kind == OperandKind.List ? operand.Parts : [operand]))
        {
            if (operand.Kind == OperandKind.Name && call.Scope.Find(operand.Name) is null)
            {
                Report(operand, $"Unknown symbol '{operand.Name}'");
            }
        }
        List<PtxOperand> rest = [.. call.Operands];
        PtxOperand? results = rest.FirstOrDefault() is { Kind: OperandKind.List } list ? list : null;
        rest.RemoveRange(0, results is null ? 0 : 1);
        if (rest is not [{ Kind: OperandKind.Name } name, ..])
        {
            found.Add(new PtxDiagnostic(call.Line, call.Column, PtxSeverity.Error, "Arguments mismatch for instruction 'call'"));
            return;
        }
        PtxOperand? arguments = rest.ElementAtOrDefault(1) is { Kind: OperandKind.List } given ? given : null;
        switch (call.Scope.Find(name.Name))
        {
            case FunctionSymbol { IsEntry: false } function:
                if ((results?.Parts.Count ?? 0) != function.Results.Count || (arguments?.Parts.Count ?? 0) != function.Arguments.Count)
                {
                    Report(name, $"'{function.Name}' takes {function.Arguments.Count} arguments and gives {function.Results.Count} results");
                }
                break;
            case RegisterSymbol { Type: "b64" or "u64" or "s64" }:
                if (rest.Count < 2 || rest[^1].Kind != OperandKind.Name || call.Scope.Find(rest[^1].Name) is not (PrototypeSymbol or TargetsSymbol))
                {
                    Report(name, "An indirect call needs a prototype or a list of targets");
                }
                break;
            case null:
                break;
            default:
                Report(name, $"'{name.Name}' cannot be called");
                break;
        }
    }
}
