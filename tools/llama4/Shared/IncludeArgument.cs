using System.CommandLine;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The option that says which weights <c>--weights</c> is for.</summary>
internal static class IncludeArgument
{
    private static readonly LinearParts[] s_parts = [LinearParts.Experts, LinearParts.Shared, LinearParts.Attention, LinearParts.Dense, LinearParts.Head];

    public static Option<string?> New() => new("--include")
    {
        Description = "The weights that are quantised: experts, shared, attention, dense, head, with commas between them, or all; the rest stays as stored. Without it as Meta has it: experts,shared in int4 and int8, experts in fp8.",
    };

    /// <summary>The parts that were named; null if none were.</summary>
    /// <exception cref="ArgumentException">There is no such part, or nothing is quantised.</exception>
    public static LinearParts? Get(ParseResult parsed, Option<string?> include, WeightScheme weights)
    {
        if (parsed.GetValue(include) is not string text)
        {
            return null;
        }
        if (weights == WeightScheme.Stored)
        {
            throw new ArgumentException("--include says which weights are quantised; it needs --weights int4, int8 or fp8.");
        }
        return text == "all" ? LinearParts.All : text.Split(',').Aggregate(LinearParts.None, (parts, name) => parts | Array.Find(s_parts, part => NameOf(part) == name) switch
        {
            LinearParts.None => throw new ArgumentException($"--include takes {string.Join(", ", s_parts.Select(NameOf))} with commas between them, or all, not '{text}'."),
            LinearParts part => part,
        });
    }

    /// <summary>The names of parts.</summary>
    public static string[] NamesOf(LinearParts parts) => [.. s_parts.Where(part => parts.HasFlag(part)).Select(NameOf)];

    private static string NameOf(LinearParts part) => part.ToString().ToLowerInvariant();
}
