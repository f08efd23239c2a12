using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Puts a prompt together in the order in which the model reads it. What was built stays as it is when the builder goes on. One
/// thread at a time.
/// </summary>
internal sealed class PromptBuilder
{
    private readonly ImageTokens? _imageTokens;
    private readonly List<int> _ids = [];
    private readonly List<PromptPicture> _pictures = [];

    /// <summary>An empty prompt.</summary>
    /// <param name="imageTokens">The tokens of pictures, from <see cref="ChatFormat.ImageTokens"/>; null if there will be none.</param>
    public PromptBuilder(ImageTokens? imageTokens = null) => _imageTokens = imageTokens;

    /// <summary>Tokens so far.</summary>
    public int Length => _ids.Count;

    /// <summary>Appends ids, which stand for themselves.</summary>
    public void Add(params ReadOnlySpan<int> ids) => _ids.AddRange(ids);

    /// <summary>Appends text. It is tokenized by itself and never yields control tokens.</summary>
    public void Add(Llama4Tokenizer tokenizer, string text)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        tokenizer.EncodeInto(text, _ids);
    }

    /// <summary>Appends a picture, or its place.</summary>
    /// <exception cref="ArgumentException">The tokenizer lacks the tokens of images.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The picture has no tiles.</exception>
    /// <exception cref="OverflowException">The run has more than 2³¹-1 tokens.</exception>
    public void Add(ImageContent image)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (_imageTokens is null)
        {
            throw new ArgumentException("There is a picture, but the tokenizer lacks the tokens of images.", nameof(image));
        }
        int[] tiles = _imageTokens.Append(_ids, image.Rows, image.Columns);
        _pictures.Add(new PromptPicture(image.Image, tiles, _imageTokens.TokensPerTile));
    }

    /// <summary>Tokens and pictures so far, for <see cref="Restore"/>.</summary>
    internal (int Ids, int Pictures) State => (_ids.Count, _pictures.Count);

    /// <summary>Drops what was added after a state.</summary>
    internal void Restore((int Ids, int Pictures) state)
    {
        _ids.RemoveRange(state.Ids, _ids.Count - state.Ids);
        _pictures.RemoveRange(state.Pictures, _pictures.Count - state.Pictures);
    }

    /// <summary>The prompt so far.</summary>
    public Prompt Build() => new([.. _ids], [.. _pictures]);
}
