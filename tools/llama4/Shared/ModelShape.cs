using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Shared;

/// <summary>A product of a published model.</summary>
/// <param name="Name">Which.</param>
/// <param name="Outputs">Rows of its weights.</param>
/// <param name="Inner">Columns of its weights.</param>
/// <param name="Part">What --include calls the weights.</param>
/// <param name="Experts">Experts, 0 if it is one matrix.</param>
internal sealed record ModelProduct(string Name, int Outputs, int Inner, string Part, int Experts = 0);

/// <summary>The products of the published models.</summary>
internal static class ModelShape
{
    private const int Hidden = 5120, Heads = 5120, Qkv = 7168, Width = 8192, DenseWidth = 16384, Vocabulary = 202048;

    /// <summary>Heads of their layers.</summary>
    public static AttentionShape Attention { get; } = new(40, 8, 128);

    /// <summary>Their names.</summary>
    public static string[] Names { get; } = ["scout", "maverick"];

    /// <summary>The products of a model's layers and its head.</summary>
    public static IReadOnlyList<ModelProduct> Products(string shape)
    {
        int experts = PublishedConfigs.Experts(shape);
        return
        [
            new("qkv", Qkv, Hidden, "attention"), new("output", Hidden, Heads, "attention"),
            .. shape == "maverick" ? [new("dense gate_up", 2 * DenseWidth, Hidden, "dense"), new("dense down", Hidden, DenseWidth, "dense")] : (ModelProduct[])[],
            new("router", experts, Hidden, "router"),
            new("shared gate_up", 2 * Width, Hidden, "shared"), new("shared down", Hidden, Width, "shared"),
            new("experts gate_up", 2 * Width, Hidden, "experts", experts), new("experts down", Hidden, Width, "experts", experts),
            new("head", Vocabulary, Hidden, "head"),
        ];
    }
}
