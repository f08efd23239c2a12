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
            Enter();
            Body(function, new PtxScope(scope));
            _depth--;
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
        (string type, int lanes) = RegisterType();
        do
        {
            PtxToken place = Current;
            string name = Identifier();
            bool added;
            if (Accept("<"))
            {
                added = scope.AddFamily(name, type, Integer(), lanes);
                Expect(">");
            }
            else
            {
                added = scope.Add(new RegisterSymbol(name, type) { Lanes = lanes });
            }
            if (!added)
            {
                throw Duplicate(name, place);
            }
        }
        while (Accept(","));
        Expect(";");
    }

    private RegisterSymbol RegisterParameter(PtxScope scope)
    {
        (string type, int lanes) = RegisterType();
        PtxToken place = Current;
        var register = new RegisterSymbol(Identifier(), type) { Lanes = lanes };
        return register.Name == "_" || scope.Add(register) ? register : throw Duplicate(register.Name, place);
    }

    private (string Type, int Lanes) RegisterType()
    {
        _at++;
        int lanes = Accept(".v2") ? 2 : Accept(".v4") ? 4 : 1;
        string type = Current.Text.TrimStart('.');
        if (PtxTypes.Bits(type) == 0)
        {
            throw Error($"Unknown type '.{type}'.");
        }
        _at++;
        return (type, lanes);
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
            throw Duplicate(name, place);
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
        Enter();
        PtxOperand operand = Simple();
        _depth--;
        return operand;
    }

    private PtxOperand Simple()
    {
        PtxToken token = Current;
        var operand = new PtxOperand(OperandKind.Name, token.Line, token.Column);
        switch (token.Kind)
        {
            case TokenKind.Integer:
                return operand with { Kind = OperandKind.Integer, Bits = Constant() };
            case TokenKind.Float:
                _at++;
                return operand with { Kind = OperandKind.Float, Bits = token.Bits };
            case TokenKind.Identifier:
                return Word(operand);
        }
        switch (token.Text)
        {
            case "-" when _tokens[_at + 1] is { Kind: TokenKind.Float } number:
                _at += 2;
                return operand with { Kind = OperandKind.Float, Bits = number.Bits ^ 0x8000_0000_0000_0000 };
            case "-" or "~":
                return operand with { Kind = OperandKind.Integer, Bits = Constant() };
            case "!":
                _at++;
                return Word(operand) with { Negated = true };
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
        string name = Identifier();
        if (name == "generic" && Is("("))
        {
            _at++;
            PtxOperand inner = Operand();
            Expect(")");
            return inner with { Generic = true };
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
        long offset = 0;
        while (Is("+") || Is("-"))
        {
            long sign = Take().Text == "-" ? -1 : 1;
            offset += sign * (long)Constant(Products);
        }
        return offset;
    }
}
