using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Holds an instruction's operands against those of a form.</summary>
internal sealed class OperandCheck(string name, PtxInstruction instruction, List<PtxDiagnostic> found, int accessBytes)
{
    private string Mismatch => $"Arguments mismatch for instruction '{name}'";

    private string SizeMismatch => $"Argument vector size mismatch for instruction '{name}'";

    public void Check(PtxOperand operand, OperandForm form, int index, int? count)
    {
        switch (form.Kind)
        {
            case "[":
                Address(operand, form.Space, count);
                return;
            case "_":
                Demand(operand, operand.Kind == OperandKind.Sink, $"Sink '_' is expected as a destination operand for instruction '{name}' with '.shared::cluster'");
                return;
            case "label":
                Demand(operand, operand.Kind == OperandKind.Name, Mismatch);
                Known(operand, symbol => symbol is LabelSymbol);
                return;
            case "targets":
                Demand(operand, operand.Kind == OperandKind.Name, Mismatch);
                Known(operand, symbol => symbol is TargetsSymbol);
                foreach (string label in instruction.Scope.Find(operand.Name) is TargetsSymbol targets ? targets.Labels : [])
                {
                    Known(operand with { Name = label }, symbol => symbol is LabelSymbol);
                }
                return;
            case "pack" or "unpack":
                Packed(operand, form);
                return;
        }
        if (form.Pair is string second)
        {
            Pair(operand, form, second, index);
        }
        else if (count is int parts)
        {
            Vector(operand, form, index, parts);
        }
        else
        {
            Scalar(operand, form, index, inVector: false);
        }
    }

    private void Report(PtxOperand operand, string message, PtxSeverity severity = PtxSeverity.Error)
    {
        var diagnostic = new PtxDiagnostic(operand.Line, operand.Column, severity, message);
        if (!found.Contains(diagnostic))
        {
            found.Add(diagnostic);
        }
    }

    private void Demand(PtxOperand operand, bool holds, string message)
    {
        if (!holds)
        {
            Report(operand, message);
        }
    }

    private void Known(PtxOperand operand, Func<PtxSymbol, bool> fits)
    {
        PtxSymbol? symbol = instruction.Scope.Find(operand.Name);
        Demand(operand, symbol is not null, $"Unknown symbol '{operand.Name}'");
        Demand(operand, symbol is null || fits(symbol), Mismatch);
    }

    private void Pair(PtxOperand operand, OperandForm form, string second, int index)
    {
        if (operand.Kind != OperandKind.Pair)
        {
            Demand(operand, form.PairOptional, Mismatch);
            Scalar(operand, form, index, inVector: false);
            return;
        }
        Scalar(operand.Parts[0], form, index, inVector: true);
        Scalar(operand.Parts[1], form with { Types = [second] }, index, inVector: true);
    }

    private void Vector(PtxOperand operand, OperandForm form, int index, int count)
    {
        if (operand.Kind == OperandKind.Name && instruction.Scope.Find(operand.Name) is RegisterSymbol { Lanes: > 1 } vector)
        {
            Demand(operand, vector.Lanes == count, SizeMismatch);
            Demand(operand, form.Types.Any(type => RegisterTypes.Accepts(vector.Type, type, form.Wider)), Mismatch);
            return;
        }
        if (operand.Kind != OperandKind.Vector)
        {
            // A vector of one may stand without its braces.
            Demand(operand, count == 1 && operand.Kind == OperandKind.Name, operand.Kind == OperandKind.Name ? SizeMismatch : Mismatch);
            Scalar(operand, form, index, inVector: true);
            return;
        }
        if (operand.Parts.Count != count)
        {
            Report(operand, SizeMismatch);
            return;
        }
        foreach (PtxOperand part in operand.Parts)
        {
            Scalar(part, form, index, inVector: true);
        }
    }

    private void Packed(PtxOperand operand, OperandForm form)
    {
        int bits = RegisterTypes.Bits(form.Types[0]);
        if (operand.Kind != OperandKind.Vector)
        {
            Report(operand, Mismatch);
            return;
        }
        int parts = operand.Parts.Count;
        if (parts is not (2 or 4) || bits / parts < 8)
        {
            Report(operand, SizeMismatch);
            return;
        }
        foreach (PtxOperand part in operand.Parts)
        {
            Scalar(part, new OperandForm(form.Kind == "pack" ? "s" : "e") { Types = [$"b{bits / parts}"] }, 0, inVector: true);
        }
    }

    private void Scalar(PtxOperand operand, OperandForm form, int index, bool inVector)
    {
        switch (operand.Kind)
        {
            case OperandKind.Sink:
                Demand(operand, form.Kind == "D" || (form.Kind == "e" && inVector), Mismatch);
                break;
            case OperandKind.Integer:
                Demand(operand, form.Kind is "s" or "i" or "m" && form.Types.Any(type => type is not ("f32" or "f64")), Mismatch);
                ImmediateLimit.Check(form.Limit, operand, index, name, message => Report(operand, message));
                if (!form.Types.Any(type => ImmediateLimit.Fits(operand.Bits, RegisterTypes.Bits(type))))
                {
                    Report(operand, $"'{(long)operand.Bits}' does not fit the operand's type", PtxSeverity.Warning);
                }
                break;
            case OperandKind.Float:
                Demand(operand, form.Kind is "s" or "i" or "m" && form.Types.Any(type => type is "f32" or "f64" or "b32" or "b64"), Mismatch);
                break;
            case OperandKind.Name when form.Kind != "i":
                Named(operand, form);
                break;
            default:
                Report(operand, operand.Kind == OperandKind.Vector ? SizeMismatch : Mismatch);
                break;
        }
    }

    private void Named(PtxOperand operand, OperandForm form)
    {
        bool source = form.Kind is "s" or "m";
        Demand(operand, !operand.Negated || (source && form.Types.Contains("pred")), Mismatch);
        switch (Register(operand))
        {
            case RegisterSymbol { Lanes: > 1 }:
                Report(operand, SizeMismatch);
                break;
            case RegisterSymbol register:
                Demand(operand, operand.Offset == 0 && form.Types.Any(type => RegisterTypes.Accepts(register.Type, type, form.Wider)), Mismatch);
                break;
            case VariableSymbol or FunctionSymbol:
                Demand(operand, form.Kind == "m" && form.Types.Any(type => type[0] is 'b' or 'u' or 's' && RegisterTypes.Bits(type) >= 32), Mismatch);
                break;
            case null when SpecialRegisters.IsVector(operand.Name):
                Report(operand, SizeMismatch);
                break;
            case null when operand.Name == "WARP_SZ":
                Demand(operand, source && !form.Types.Contains("f32"), Mismatch);
                break;
            case null when SpecialRegisters.TryGet(operand.Name, out string type, out _):
                Demand(operand, source && form.Types.Any(wanted => RegisterTypes.Accepts(type, wanted, form.Wider)), Mismatch);
                break;
            case null:
                Report(operand, $"Unknown symbol '{operand.Name}'");
                break;
            default:
                Report(operand, Mismatch);
                break;
        }
    }

    /// <summary>The symbol of a name; v.x is a register of the vector v.</summary>
    private PtxSymbol? Register(PtxOperand operand)
    {
        int dot = operand.Name.LastIndexOf('.');
        return dot > 0 && operand.Name[(dot + 1)..] is "x" or "y" or "z" or "w" or "r" or "g" or "b" or "a"
            && instruction.Scope.Find(operand.Name[..dot]) is RegisterSymbol { Lanes: > 1 } vector
            ? vector with { Lanes = 1 }
            : instruction.Scope.Find(operand.Name);
    }

    private void Address(PtxOperand operand, string space, int? coordinates)
    {
        if (operand.Kind != OperandKind.Address)
        {
            Report(operand, Mismatch);
            return;
        }
        if (space == "map")
        {
            TensorMap(operand, coordinates ?? 0);
            return;
        }
        Demand(operand, operand.Parts.Count == 1, Mismatch);
        Base(operand, space);
    }

    private void TensorMap(PtxOperand operand, int coordinates)
    {
        if (operand.Parts is not [PtxOperand map, { Kind: OperandKind.Vector } vector])
        {
            Report(operand, Mismatch);
            return;
        }
        switch (Register(map))
        {
            case RegisterSymbol { Type: "b32" or "u32" or "s32" }:
                Report(map, "The address of a tensor map in a 32-bit register", PtxSeverity.Warning);
                break;
            case VariableSymbol { Space: not "global" }:
                Report(map, $"State space mismatch between instruction and address in instruction '{name}'");
                break;
            default:
                Base(operand, "generic");
                break;
        }
        Vector(vector, new OperandForm("s") { Types = ["s32"] }, 1, coordinates);
    }

    private void Base(PtxOperand operand, string space)
    {
        PtxOperand start = operand.Parts[0];
        if (start.Kind == OperandKind.Integer)
        {
            return;
        }
        switch (start.Kind == OperandKind.Name ? Register(start) : null)
        {
            case RegisterSymbol { Lanes: 1, Type: "b64" or "u64" or "s64" }:
                break;
            case RegisterSymbol { Lanes: 1, Type: "b32" or "u32" or "s32" }:
                Demand(start, space is not ("global" or "generic"), $"Program uses 32-bit address on line '{start.Line}' which is conflicting with .address_size 64");
                break;
            case VariableSymbol variable:
                Variable(operand, variable, space);
                break;
            case null when start.Kind == OperandKind.Name:
                Report(start, $"Unknown symbol '{start.Name}'");
                break;
            default:
                Report(start, Mismatch);
                break;
        }
    }

    private void Variable(PtxOperand operand, VariableSymbol variable, string space)
    {
        string plain = space.Split("::")[0];
        Demand(operand, plain == "generic" || plain == variable.Space, $"State space mismatch between instruction and address in instruction '{name}'");
        if (space == "generic" && variable.Space is "shared" or "local" or "param")
        {
            Report(operand, $"'{variable.Name}' has an address in .{variable.Space}, not a generic one", PtxSeverity.Warning);
        }
        if (variable.Size > 0 && (operand.Offset < 0 || operand.Offset + accessBytes > variable.Size))
        {
            Report(operand, $"Bytes {operand.Offset} to {operand.Offset + accessBytes - 1} are not in '{variable.Name}' ({variable.Size} bytes)", PtxSeverity.Warning);
        }
        else if (accessBytes > 0 && variable.Align % accessBytes == 0 && operand.Offset % accessBytes != 0)
        {
            Report(operand, $"Offset {operand.Offset} is no multiple of the {accessBytes} bytes accessed", PtxSeverity.Warning);
        }
    }
}
