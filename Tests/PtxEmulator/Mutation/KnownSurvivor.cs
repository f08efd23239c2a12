using System.Globalization;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>A mutant that nothing can or does catch, and why, as somebody found by reading.</summary>
/// <param name="Kernel">The entry's name.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Kind">What was done.</param>
/// <param name="Before">The instruction as it was.</param>
/// <param name="After">What stands there now.</param>
/// <param name="Equivalent">It does the same as the kernel for every input that the kernel allows; otherwise our inputs do not show the difference.</param>
/// <param name="Reason">Why.</param>
internal sealed record KnownSurvivor(string Kernel, int Line, MutationKind Kind, string Before, string After, bool Equivalent, string Reason)
{
    public bool Is(string kernel, Mutant mutant) =>
        (Kernel, Line, Kind, Before, After) == (kernel, mutant.Line, mutant.Kind, mutant.Before, mutant.After);

    /// <summary>The list in survivors.tsv.</summary>
    public static IReadOnlyList<KnownSurvivor> Load() =>
    [
        .. File.ReadLines(Path.Combine(GoldenFiles.Repository, "Tests", "PtxEmulator", "Mutation", "survivors.tsv"))
            .Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => line.Split('\t'))
            .Select(fields => new KnownSurvivor(fields[0], int.Parse(fields[1], CultureInfo.InvariantCulture), Enum.Parse<MutationKind>(fields[2]), fields[3], fields[4], fields[5] == "equivalent", fields[6])),
    ];
}
