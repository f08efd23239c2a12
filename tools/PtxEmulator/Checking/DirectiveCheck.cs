using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Directives after a parameter list, and the size of the parameters.</summary>
internal static class DirectiveCheck
{
    private const int OldParameterLimit = 4352;

    private const int ParameterLimit = 32764;

    private const int BlockLimit = 1024;

    private static readonly PtxVersion s_largeParameters = new(8, 1);

    private static readonly Dictionary<string, (int Numbers, Requirement Needs)> s_known = new(StringComparer.Ordinal)
    {
        ["maxntid"] = (3, Requirement.None),
        ["reqntid"] = (3, Requirement.None),
        ["minnctapersm"] = (1, Requirement.None),
        ["maxnreg"] = (1, Requirement.None),
        ["noreturn"] = (0, Requirement.None),
        ["reqnctapercluster"] = (3, Requirement.Parse(["sm_90", "7.8"])!),
        ["explicitcluster"] = (0, Requirement.Parse(["sm_90", "7.8"])!),
        ["maxclusterrank"] = (1, Requirement.Parse(["sm_90", "7.8"])!),
        ["blocksareclusters"] = (0, Requirement.Parse(["sm_90", "9.0"])!),
        ["unique"] = (0, Requirement.None),
        ["abi_preserve"] = (1, Requirement.Parse(["sm_80", "9.0"])!),
        ["abi_preserve_control"] = (1, Requirement.Parse(["sm_80", "9.0"])!),
    };

    public static void Check(FunctionSymbol function, PtxTarget target, PtxVersion version, List<PtxDiagnostic> found)
    {
        void Report(PtxSeverity severity, string message) => found.Add(new PtxDiagnostic(function.Line, function.Column, severity, message));
        bool Has(string name) => function.Directives.ContainsKey(name);
        foreach ((string name, IReadOnlyList<int> numbers) in function.Directives)
        {
            if (!s_known.TryGetValue(name, out (int Numbers, Requirement Needs) known))
            {
                Report(PtxSeverity.Error, $"Unsupported directive '.{name}'");
            }
            else if (known.Needs.Missing("." + name, target, version) is string missing)
            {
                Report(PtxSeverity.Error, missing);
            }
            else if (numbers.Count > known.Numbers || (known.Numbers > 0 && numbers.Count == 0) || numbers.Any(number => number == 0))
            {
                Report(PtxSeverity.Error, $"Directive '.{name}' takes 1 to {known.Numbers} numbers above 0");
            }
            else if (name is "maxntid" or "reqntid" && numbers.Aggregate(1L, (product, number) => product * number) > BlockLimit)
            {
                Report(PtxSeverity.Error, $"Directive '.{name}' asks for more than {BlockLimit} threads");
            }
        }
        if (Has("reqntid") && Has("maxntid"))
        {
            Report(PtxSeverity.Error, "Directives '.reqntid' and '.maxntid' exclude each other");
        }
        if (Has("minnctapersm") && !Has("reqntid") && !Has("maxntid"))
        {
            Report(PtxSeverity.Warning, "'.minnctapersm' is ignored without '.maxntid' or '.reqntid'");
        }
        int limit = version < s_largeParameters ? OldParameterLimit : ParameterLimit;
        if (function.ParameterSize > limit)
        {
            Report(PtxSeverity.Error, $"The parameters of '{function.Name}' take {function.ParameterSize} bytes; {limit} are allowed");
        }
    }
}
