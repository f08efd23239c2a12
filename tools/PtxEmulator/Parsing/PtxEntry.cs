namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>A kernel as its caller sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">Its parameters, in order.</param>
/// <param name="ParameterBytes">Bytes of the parameter block.</param>
/// <param name="MaxThreads">Threads of a block that <c>.reqntid</c> demands or <c>.maxntid</c> allows; 1024 without them.</param>
/// <param name="RequiredBlock">The block's size that <c>.reqntid</c> demands, or null.</param>
/// <param name="RequiredCluster">Blocks of a cluster as <c>.reqnctapercluster</c> demands, or null.</param>
public sealed record PtxEntry(
    string Name,
    IReadOnlyList<PtxParameter> Parameters,
    long ParameterBytes,
    int MaxThreads,
    (int X, int Y, int Z)? RequiredBlock,
    (int X, int Y, int Z)? RequiredCluster)
{
    private const int BlockLimit = 1024;

    internal static PtxEntry Of(FunctionSymbol function)
    {
        (int X, int Y, int Z)? block = Size(function, "reqntid");
        (int X, int Y, int Z) most = block ?? Size(function, "maxntid") ?? (BlockLimit, 1, 1);
        return new PtxEntry(
            function.Name,
            [.. function.Parameters.Select(parameter => new PtxParameter(parameter.Name, parameter.Type, parameter.Offset, parameter.Size, parameter.Align))],
            function.ParameterSize,
            (int)Math.Min(BlockLimit, (long)most.X * most.Y * most.Z),
            block,
            Size(function, "reqnctapercluster"));
    }

    private static (int X, int Y, int Z)? Size(FunctionSymbol function, string directive) =>
        function.Directives.TryGetValue(directive, out IReadOnlyList<int>? sizes) && sizes.Count > 0
            ? (sizes[0], sizes.ElementAtOrDefault(1) is int y and > 0 ? y : 1, sizes.ElementAtOrDefault(2) is int z and > 0 ? z : 1)
            : null;
}
