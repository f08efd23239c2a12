namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>Constant expressions of integers, and initial values.</summary>
internal sealed partial class PtxParser
{
    /// <summary>Level of the terms of a sum.</summary>
    private const int Products = 5;

    // From loose to tight, as in C.
    private static readonly string[][] s_operators =
    [
        ["|"], ["^"], ["&"], ["<<", ">>"], ["+", "-"], ["*", "/", "%"],
    ];

    private ulong Constant(int level = 0)
    {
        if (level == s_operators.Length)
        {
            return Factor();
        }
        ulong left = Constant(level + 1);
        while (Operator(s_operators[level]) is string op)
        {
            PtxToken place = Current;
            ulong right = Constant(level + 1);
            if (op is "/" or "%" && right == 0)
            {
                throw ErrorAt("Division by zero.", place);
            }
            left = op switch
            {
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "<<" => right > 63 ? 0 : left << (int)right,
                ">>" => (ulong)((long)left >> (int)Math.Min(right, 63)),
                "+" => left + right,
                "-" => left - right,
                "*" => left * right,
                // -1 apart: the smallest number has no opposite.
                "/" => right == ulong.MaxValue ? 0 - left : (ulong)((long)left / (long)right),
                _ => right == ulong.MaxValue ? 0 : (ulong)((long)left % (long)right),
            };
        }
        return left;
    }

    private string? Operator(string[] operators)
    {
        foreach (string op in operators)
        {
            if (op.Length == 1 ? Accept(op) : Is(op[..1]) && _tokens[_at + 1].Text == op[1..])
            {
                _at += op.Length == 1 ? 0 : 2;
                return op;
            }
        }
        return null;
    }

    private ulong Factor()
    {
        Enter();
        ulong value = Term();
        _depth--;
        return value;
    }

    private ulong Term()
    {
        PtxToken token = Current;
        if (Accept("("))
        {
            ulong inner = Constant();
            Expect(")");
            return inner;
        }
        if (token.Text is "-" or "~" or "!" && token.Kind == TokenKind.Punctuation)
        {
            _at++;
            ulong value = Factor();
            return token.Text switch
            {
                "-" => 0 - value,
                "~" => ~value,
                _ => value == 0 ? 1UL : 0,
            };
        }
        if (token.Kind != TokenKind.Integer)
        {
            throw Error($"A number was expected, not '{token.Text}'.");
        }
        _at++;
        return token.Bits;
    }

    /// <summary>The values after '=', without their braces: numbers, and symbols with an offset.</summary>
    private List<PtxOperand> Initial()
    {
        Enter();
        List<PtxOperand> values = Values();
        _depth--;
        return values;
    }

    private List<PtxOperand> Values()
    {
        var values = new List<PtxOperand>();
        if (!Accept("{"))
        {
            values.Add(Is("(") || Is("~") ? new PtxOperand(OperandKind.Integer, Current.Line, Current.Column) { Bits = Constant() } : Operand());
            return values;
        }
        while (!Accept("}"))
        {
            values.AddRange(Initial());
            if (!Is("}"))
            {
                Expect(",");
            }
        }
        return values;
    }
}
