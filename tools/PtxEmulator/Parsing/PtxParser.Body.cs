namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>Bodies: declarations, labels, instructions and operands.</summary>
internal sealed partial class PtxParser
{
    private void Body(FunctionSymbol function, PtxScope scope)
    {
        while (!Is("}"))
        {
            if (Current.Kind == TokenKind.End)
            {
                throw Error("'}' is missing.");
            }
            Statement(function, scope);
        }
    }

    private void Statement(FunctionSymbol function, PtxScope scope)
    {
        if (Accept("{"))
        {
            Body(function, new PtxScope(scope));
            _at++;
        }
        else if (Current.Kind == TokenKind.Directive)
        {
            LocalDirective(function, scope);
        }
        else if (Current.Kind == TokenKind.Identifier && _tokens[_at + 1].Text == ":")
        {
            Label(function, scope);
        }
        else if (!Accept(";"))
        {
            Instruction(function, scope);
        }
    }

    private void LocalDirective(FunctionSymbol function, PtxScope scope)
    {
        switch (Current.Text)
        {
            case ".reg":
                Registers(scope);
                break;
            case ".local" or ".param" or ".shared" or ".global" or ".const":
                Variable(scope, function);
                break;
            case ".pragma" or ".loc" or ".file":
                SkipLine();
                break;
            default:
                throw Error($"Unknown directive '{Current.Text}'.");
        }
    }

    private void Registers(PtxScope scope)
    {
        _at++;
        string type = Take().Text.TrimStart('.');
        if (type is "v2" or "v4")
        {
            throw Error("Vector registers are not known.");
        }
        if (PtxTypes.Bits(type) == 0)
        {
            _at--;
            throw Error($"Unknown type '.{type}'.");
        }
        do
        {
            PtxToken place = Current;
            string name = Identifier();
            bool added;
            if (Accept("<"))
            {
                added = scope.AddFamily(name, type, Integer());
                Expect(">");
            }
            else
            {
                added = scope.Add(new RegisterSymbol(name, type));
            }
            if (!added)
            {
                throw ErrorAt($"'{name}' is defined twice.", place);
            }
        }
        while (Accept(","));
        Expect(";");
    }

    private void Label(FunctionSymbol function, PtxScope scope)
    {
        PtxToken place = Current;
        string name = Identifier();
        _at++;
        PtxSymbol symbol;
        if (Accept(".branchtargets") || Accept(".calltargets"))
        {
            var labels = new List<string>();
            do
            {
                labels.Add(Identifier());
            }
            while (Accept(","));
            Expect(";");
            symbol = new TargetsSymbol(name, labels);
        }
        else if (Accept(".callprototype"))
        {
            SkipTo(";");
            symbol = new PrototypeSymbol(name);
        }
        else
        {
            symbol = new LabelSymbol(name, function.Body.Count);
        }
        if (!scope.Add(symbol))
        {
            throw ErrorAt($"'{name}' is defined twice.", place);
        }
    }

    private void Instruction(FunctionSymbol function, PtxScope scope)
    {
        PtxOperand? guard = null;
        if (Accept("@"))
        {
            guard = Operand();
        }
        PtxToken place = Current;
        var opcode = new List<string> { Identifier() };
        while (Current.Kind == TokenKind.Directive)
        {
            opcode.Add(Take().Text[1..]);
        }
        var operands = new List<PtxOperand>();
        if (!Is(";"))
        {
            do
            {
                operands.Add(Operand());
            }
            while (Accept(","));
        }
        Expect(";");
        function.Body.Add(new PtxInstruction(opcode, operands, guard, scope, place.Line, place.Column));
    }

    private PtxOperand Operand()
    {
        PtxOperand first = Primary();
        if (Accept("|"))
        {
            return new PtxOperand(OperandKind.Pair, first.Line, first.Column) { Parts = [first, Primary()] };
        }
        if (first.Kind == OperandKind.Name && (Is("+") || Is("-")))
        {
            return first with { Offset = Offset() };
        }
        return first;
    }

    private PtxOperand Primary()
    {
        PtxToken token = Current;
        var operand = new PtxOperand(OperandKind.Name, token.Line, token.Column);
        switch (token.Kind)
        {
            case TokenKind.Integer:
                _at++;
                return operand with { Kind = OperandKind.Integer, Bits = token.Bits };
            case TokenKind.Float:
                _at++;
                return operand with { Kind = OperandKind.Float, Bits = token.Bits };
            case TokenKind.Identifier:
                return Word(operand);
        }
        switch (token.Text)
        {
            case "-":
                _at++;
                PtxOperand number = Primary();
                return number.Kind switch
                {
                    OperandKind.Integer => number with { Bits = 0 - number.Bits },
                    OperandKind.Float => number with { Bits = number.Bits ^ 0x8000_0000_0000_0000 },
                    _ => throw ErrorAt("A number was expected after '-'.", token),
                };
            case "~":
                _at++;
                PtxOperand inverted = Primary();
                return inverted with { Bits = ~inverted.Bits };
            case "!":
                _at++;
                return Primary() with { Negated = true };
            case "{":
                return operand with { Kind = OperandKind.Vector, Parts = Parts("}") };
            case "(":
                return operand with { Kind = OperandKind.List, Parts = Parts(")") };
            case "[":
                return Address(operand);
            default:
                throw ErrorAt($"An operand was expected, not '{token.Text}'.", token);
        }
    }

    private PtxOperand Word(PtxOperand operand)
    {
        string name = Take().Text;
        if (name == "generic" && Is("("))
        {
            _at++;
            PtxOperand inner = Operand();
            Expect(")");
            return inner;
        }
        if (name == "_")
        {
            return operand with { Kind = OperandKind.Sink };
        }
        // %tid.x is two tokens; so is the byte selector of a video instruction.
        while (Current.Kind == TokenKind.Directive)
        {
            name += Take().Text;
        }
        return operand with { Name = name };
    }

    private List<PtxOperand> Parts(string end)
    {
        _at++;
        var parts = new List<PtxOperand>();
        if (Accept(end))
        {
            return parts;
        }
        do
        {
            parts.Add(Operand());
        }
        while (Accept(","));
        Expect(end);
        return parts;
    }

    private PtxOperand Address(PtxOperand operand)
    {
        _at++;
        PtxOperand start = Primary();
        long offset = start.Offset + (Is("+") || Is("-") ? Offset() : 0);
        var parts = new List<PtxOperand> { start };
        while (Accept(","))
        {
            parts.Add(Operand());
        }
        Expect("]");
        return operand with { Kind = OperandKind.Address, Parts = parts, Offset = offset };
    }

    private long Offset()
    {
        long sign = Take().Text == "-" ? -1 : 1;
        if (Accept("-"))
        {
            sign = -sign;
        }
        if (Current.Kind != TokenKind.Integer)
        {
            throw Error($"A number was expected, not '{Current.Text}'.");
        }
        return sign * (long)Take().Bits;
    }
}
