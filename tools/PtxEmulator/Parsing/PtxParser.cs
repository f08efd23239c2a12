namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>Builds a module from tokens: this part knows directives and functions.</summary>
internal sealed partial class PtxParser(string text)
{
    private readonly List<PtxToken> _tokens = PtxLexer.Tokens(text);
    private readonly PtxModule _module = new();
    private const int MaxDepth = 200;

    private int _at;
    private int _depth;

    private PtxToken Current => _tokens[_at];

    public PtxModule Module()
    {
        while (Current.Kind != TokenKind.End)
        {
            TopLevel();
        }
        if (_module.Version.Length == 0 || _module.Target.Length == 0)
        {
            throw Error("A module begins with .version and .target.");
        }
        return _module;
    }

    private static long Align(long value, int alignment) => (value + alignment - 1) / alignment * alignment;

    private PtxSyntaxException Error(string message) => ErrorAt(message, Current);

    private static PtxSyntaxException Duplicate(string name, PtxToken place) => ErrorAt($"Duplicate definition of '{name}'.", place);

    private static PtxSyntaxException ErrorAt(string message, PtxToken token) => new(message, token.Line, token.Column);

    private bool Is(string word) => Current.Text == word && Current.Kind != TokenKind.Text;

    private bool Accept(string word)
    {
        if (!Is(word))
        {
            return false;
        }
        _at++;
        return true;
    }

    private PtxToken Take() => Current.Kind == TokenKind.End ? throw Error("The text ends too early.") : _tokens[_at++];

    /// <summary>Guards the stack against texts made to overflow it.</summary>
    private void Enter()
    {
        if (++_depth > MaxDepth)
        {
            throw Error($"Nested more than {MaxDepth} deep.");
        }
    }

    private void Expect(string word)
    {
        if (!Accept(word))
        {
            throw Error($"'{word}' expected, not '{Current.Text}'.");
        }
    }

    private string Identifier()
    {
        if (Current.Kind != TokenKind.Identifier)
        {
            throw Error($"A name was expected, not '{Current.Text}'.");
        }
        return Take().Text;
    }

    private int Integer()
    {
        if (Current.Kind != TokenKind.Integer || Current.Bits > int.MaxValue)
        {
            throw Error($"A number was expected, not '{Current.Text}'.");
        }
        return (int)Take().Bits;
    }

    private void TopLevel()
    {
        if (Current.Kind != TokenKind.Directive)
        {
            throw Error($"A directive was expected, not '{Current.Text}'.");
        }
        switch (Current.Text)
        {
            case ".version":
                _at++;
                _module.Version = Take().Text;
                break;
            case ".target":
                _at++;
                _module.Target = Take().Text;
                while (Accept(","))
                {
                    _at++;
                }
                break;
            case ".address_size":
                _at++;
                if (Integer() != 64)
                {
                    throw Error("Only .address_size 64 is known.");
                }
                break;
            case ".visible" or ".extern" or ".weak" or ".common":
                _at++;
                break;
            case ".entry" or ".func":
                Function();
                break;
            case ".global" or ".const" or ".shared" or ".tex":
                Variable(_module.Scope, null);
                break;
            case ".file" or ".loc" or ".pragma":
                SkipLine();
                break;
            case ".section":
                SkipBlock();
                break;
            case ".alias":
                SkipTo(";");
                break;
            default:
                throw Error($"Unknown directive '{Current.Text}'.");
        }
    }

    private void SkipLine()
    {
        int line = Current.Line;
        while (Current.Line == line && Current.Kind != TokenKind.End && !Accept(";"))
        {
            _at++;
        }
    }

    private void SkipTo(string word)
    {
        while (!Accept(word))
        {
            if (Current.Kind == TokenKind.End)
            {
                throw Error($"'{word}' is missing.");
            }
            _at++;
        }
    }

    private void SkipBlock()
    {
        SkipTo("{");
        SkipTo("}");
    }

    private void Function()
    {
        bool entry = Take().Text == ".entry";
        var results = new List<PtxSymbol>();
        var scope = new PtxScope(_module.Scope);
        while (Accept(".noreturn") || Accept(".attribute"))
        {
            if (Is("("))
            {
                SkipTo(")");
            }
        }
        if (!entry && Is("("))
        {
            Parameters(results, scope, entry);
        }
        PtxToken place = Current;
        string name = Identifier();
        var function = new FunctionSymbol(name, entry) { Line = place.Line, Column = place.Column };
        function.Results.AddRange(results);
        function.Returns.AddRange(results.OfType<VariableSymbol>());
        if (Is("("))
        {
            Parameters(function.Arguments, scope, entry);
            function.Parameters.AddRange(function.Arguments.OfType<VariableSymbol>());
        }
        Tuning(function);
        if (_module.Scope.Find(name) is PtxSymbol known)
        {
            if (known is not FunctionSymbol { Defined: false } declared)
            {
                throw Duplicate(name, place);
            }
            // A call that was parsed before the definition finds the new symbol: names are resolved when code is made.
            _module.Functions.Remove(declared);
        }
        _module.Scope.Replace(function);
        _module.Functions.Add(function);
        foreach (VariableSymbol parameter in function.Returns.Concat(function.Parameters))
        {
            Place(parameter, function);
        }
        if (Accept(";"))
        {
            return;
        }
        function.Defined = true;
        Expect("{");
        Body(function, scope);
        _at++;
    }

    private void Tuning(FunctionSymbol function)
    {
        while (Current.Kind == TokenKind.Directive && Current.Text is ".maxntid" or ".reqntid" or ".minnctapersm" or ".maxnctapersm" or ".maxnreg"
            or ".reqnctapercluster" or ".maxclusterrank" or ".explicitcluster" or ".noreturn" or ".pragma" or ".blocksareclusters" or ".abi_preserve" or ".abi_preserve_control" or ".unique")
        {
            string name = Take().Text[1..];
            if (name == "pragma")
            {
                SkipTo(";");
                continue;
            }
            var values = new List<int>();
            while (Current.Kind == TokenKind.Integer)
            {
                values.Add(Integer());
                _ = Accept(",");
            }
            function.Directives[name] = values;
        }
    }

    private void Parameters(List<PtxSymbol> list, PtxScope scope, bool entry)
    {
        Expect("(");
        while (!Accept(")"))
        {
            if (Is(".reg") && !entry)
            {
                list.Add(RegisterParameter(scope));
            }
            else
            {
                Expect(".param");
                VariableSymbol parameter = Declarator("param", scope);
                parameter.OfEntry = entry;
                list.Add(parameter);
            }
            if (!Is(")"))
            {
                Expect(",");
            }
        }
    }

    private static void Place(VariableSymbol variable, FunctionSymbol function)
    {
        if (variable.OfEntry)
        {
            variable.Offset = Align(function.ParameterSize, variable.Align);
            function.ParameterSize = variable.Offset + variable.Size;
            return;
        }
        variable.Offset = Align(function.FrameSize, variable.Align);
        function.FrameSize = variable.Offset + variable.Size;
    }

    private void Variable(PtxScope scope, FunctionSymbol? function)
    {
        string space = Take().Text[1..];
        space = space.StartsWith("const", StringComparison.Ordinal) ? "const" : space;
        VariableSymbol first = Declarator(space, scope);
        Register(first);
        while (Accept(","))
        {
            Register(Named(space, first.Type, first.Align, scope));
        }
        Expect(";");

        void Register(VariableSymbol variable)
        {
            if (space == "shared")
            {
                variable.Offset = Align(_module.SharedSize, variable.Align);
                _module.SharedSize = variable.Offset + variable.Size;
            }
            else if (space is "global" or "const")
            {
                _module.Variables.Add(variable);
            }
            else if (function is not null)
            {
                Place(variable, function);
            }
        }
    }

    private VariableSymbol Declarator(string space, PtxScope scope)
    {
        int align = 0;
        int lanes = 1;
        string type = "";
        while (Current.Kind == TokenKind.Directive)
        {
            string word = Take().Text[1..];
            switch (word)
            {
                case "align":
                    PtxToken written = Current;
                    align = Integer();
                    if (!int.IsPow2(align))
                    {
                        throw ErrorAt("An alignment is a power of two.", written);
                    }
                    break;
                case "v2":
                    lanes = 2;
                    break;
                case "v4":
                    lanes = 4;
                    break;
                case "ptr" or "global" or "const" or "local" or "shared":
                    break;
                case "attribute":
                    SkipTo(")");
                    break;
                default:
                    type = word;
                    if (PtxTypes.Bits(word) == 0)
                    {
                        _at--;
                        throw Error($"Unknown type '.{word}'.");
                    }
                    break;
            }
        }
        if (type.Length == 0)
        {
            throw Error("A type is missing.");
        }
        return Named(space, type, align, scope, lanes);
    }

    private VariableSymbol Named(string space, string type, int align, PtxScope scope, int lanes = 1)
    {
        PtxToken place = Current;
        string name = Identifier();
        long count = lanes;
        bool open = false;
        while (Accept("["))
        {
            if (Is("]"))
            {
                open = true;
            }
            else
            {
                PtxToken written = Current;
                ulong elements = Constant();
                if (elements > int.MaxValue || count * (long)elements > int.MaxValue)
                {
                    throw ErrorAt("The array is too large.", written);
                }
                count *= (long)elements;
            }
            Expect("]");
        }
        IReadOnlyList<PtxOperand>? initial = null;
        if (Accept("="))
        {
            initial = [.. Initial()];
            count = open ? initial.Count : count;
        }
        else if (open)
        {
            count = 0;
        }
        int size = PtxTypes.Bytes(type);
        var variable = new VariableSymbol(name, space, type, align == 0 ? size * lanes : align, count * size) { Initial = initial };
        if (name != "_" && !scope.Add(variable))
        {
            throw Duplicate(name, place);
        }
        return variable;
    }
}
