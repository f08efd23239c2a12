using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Engine.Generation;

/// <summary>Token ids and the pictures whose <c>&lt;|patch|&gt;</c> runs they contain, in order.</summary>
/// <param name="Ids">Token ids; a picture of r×c tiles stands as its full token run.</param>
/// <param name="Images">Preprocessed pictures in the order of their runs.</param>
public sealed record Prompt(int[] Ids, IReadOnlyList<PreprocessedImage> Images)
{
    /// <summary>A prompt of text only.</summary>
    public static Prompt FromIds(params int[] ids) => new(ids, []);
}
