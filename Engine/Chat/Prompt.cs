using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// What a model reads before it answers, in its order: ids, and pictures at the places where they were added. It is made by a
/// <see cref="PromptBuilder"/> or a <see cref="ChatFormat"/>, which write a picture's token run themselves, so that pictures
/// cannot be swapped, miscounted or lost. Immutable.
/// </summary>
public sealed class Prompt
{
    private readonly int[] _ids;
    private readonly long[] _keys;
    private readonly PromptPicture[] _pictures;

    internal Prompt(int[] ids, PromptPicture[] pictures)
    {
        _ids = ids;
        _pictures = pictures;
        _keys = Array.ConvertAll(ids, id => (long)id);
        foreach (PromptPicture picture in pictures)
        {
            ImageTokens += picture.Tiles.Length * picture.TokensPerTile;
            if (picture.Image is { } image)
            {
                SetKeys(picture, image.Key);
            }
        }
    }

    /// <summary>Token ids; a picture stands as its full run.</summary>
    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>Tokens that stand for parts of pictures: those whose embeddings the vision tower computes.</summary>
    public int ImageTokens { get; }

    /// <summary>
    /// What stands at each position: the id, or for a part of a picture its content and which part it is. Equal keys from the
    /// start on mean equal keys and values in the cache.
    /// </summary>
    internal long[] Keys => _keys;

    /// <summary>The pictures, in order.</summary>
    internal ReadOnlySpan<PromptPicture> Pictures => _pictures;

    /// <summary>A prompt of ids alone; the id of a patch is then a token like any other.</summary>
    /// <param name="ids">Token ids; copied.</param>
    public static Prompt FromIds(params ReadOnlySpan<int> ids) => new(ids.ToArray(), []);

    private void SetKeys(PromptPicture picture, long key)
    {
        int part = 0;
        foreach (int first in picture.Tiles)
        {
            for (int i = 0; i < picture.TokensPerTile; i++)
            {
                // The sign bit keeps a picture's key apart from every token id.
                _keys[first + i] = long.MinValue | (key + part++);
            }
        }
    }
}

/// <summary>A picture in a prompt.</summary>
/// <param name="Image">What is seen; null for a place of which only the tokens are to be counted.</param>
/// <param name="Tiles">Position of the first patch of each tile, the global one last.</param>
/// <param name="TokensPerTile">Patches of a tile, side by side.</param>
internal readonly record struct PromptPicture(PreprocessedImage? Image, int[] Tiles, int TokensPerTile)
{
    /// <summary>Position behind its last patch.</summary>
    public int End => Tiles[^1] + TokensPerTile;
}
