namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>A parsed module: its functions and variables. It is parsed, not checked for types and not executed.</summary>
public sealed class PtxModule
{
    internal PtxModule()
    {
    }

    /// <summary>The text after <c>.version</c>.</summary>
    public string Version { get; internal set; } = "";

    /// <summary>The text after <c>.target</c>.</summary>
    public string Target { get; internal set; } = "";

    /// <summary>Names of the kernels, in the order of the text.</summary>
    public IReadOnlyList<string> Entries => [.. Functions.Where(function => function.IsEntry && function.Defined).Select(function => function.Name)];

    /// <summary>What a caller of each kernel must know, in the order of the text.</summary>
    public IReadOnlyList<PtxEntry> EntryPoints => [.. Functions.Where(function => function.IsEntry && function.Defined).Select(PtxEntry.Of)];

    internal PtxScope Scope { get; } = new(null);

    internal List<FunctionSymbol> Functions { get; } = [];

    internal List<VariableSymbol> Variables { get; } = [];

    /// <summary>Bytes of the shared variables of all functions together.</summary>
    internal long SharedSize { get; set; }

    /// <summary>Parses PTX text.</summary>
    /// <param name="text">A whole module.</param>
    /// <exception cref="PtxSyntaxException">The text is no PTX; the message begins with line and column.</exception>
    public static PtxModule Parse(string text) => new PtxParser(text).Module();
}
