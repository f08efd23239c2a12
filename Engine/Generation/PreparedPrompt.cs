using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Generation;

/// <summary>A prompt that was found to fit a model.</summary>
internal sealed class PreparedPrompt
{
    /// <summary>Most pictures of a prompt.</summary>
    public const int MaxImages = 48;

    private readonly Llama4Model _model;
    private readonly Prompt _prompt;
    private readonly bool[] _isEncoded;

    /// <summary>Checks everything that can be checked, before anything is computed.</summary>
    /// <exception cref="ContextOverflowException">The prompt leaves no room for a token.</exception>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, or a picture is none that the model can see.</exception>
    public PreparedPrompt(StepRunner runner, Llama4Model model, Prompt prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        _model = model;
        _prompt = prompt;
        if (prompt.Ids.Length == 0)
        {
            throw new ArgumentException("The prompt has no tokens.", nameof(prompt));
        }
        if (prompt.Ids.Length >= runner.MaxContext)
        {
            throw ContextOverflowException.OfPrompt(prompt.Ids.Length, runner.MaxContext);
        }
        runner.CheckIds(prompt.Ids);
        _isEncoded = new bool[prompt.Pictures.Length];
        if (prompt.Pictures.Length > MaxImages)
        {
            throw new ArgumentException($"The prompt has {prompt.Pictures.Length} pictures; at most {MaxImages} are allowed.", nameof(prompt));
        }
        for (int i = 0; i < prompt.Pictures.Length; i++)
        {
            Check(prompt.Pictures[i], i + 1);
        }
    }

    /// <summary>Makes the prompt pending in a sequence that is empty; of its pictures each when it is needed, see <see cref="Ready"/>.</summary>
    public void AppendTo(Sequence sequence) => sequence.Begin(_prompt.Ids, _prompt.Keys);

    /// <summary>How many of a sequence's pending tokens come before a picture that is not encoded yet.</summary>
    public int Ready(Sequence sequence) => NextPicture(sequence) is int next ? Math.Max(0, _prompt.Pictures[next].Tiles[0] - sequence.Length) : int.MaxValue;

    /// <summary>Encodes the next picture that a sequence needs and has not; false if there is none.</summary>
    public bool EncodeNext(Sequence sequence, IForwardObserver? observer, CancellationToken cancellation = default)
    {
        if (NextPicture(sequence) is not int next)
        {
            return false;
        }
        cancellation.ThrowIfCancellationRequested();
        Encode(_prompt.Pictures[next], sequence.Embedded, observer, cancellation);
        _isEncoded[next] = true;
        return true;
    }

    private int? NextPicture(Sequence sequence)
    {
        for (int i = 0; i < _isEncoded.Length; i++)
        {
            if (!_isEncoded[i] && _prompt.Pictures[i].End > sequence.Length)
            {
                return i;
            }
        }
        return null;
    }

    /// <summary>Encodes a picture, unless an equal one was, and says where its tiles stand.</summary>
    private void Encode(PromptPicture picture, EmbeddedPictures pictures, IForwardObserver? observer, CancellationToken cancellation)
    {
        PreprocessedImage image = picture.Image!;
        using (_model.Use())
        {
            DeviceMemory memory = pictures.GetOrAdd(image.ContentHash, () => _model.Vision!.Encode(image.Bf16Tiles, image.Tiles, observer, cancellation));
            Tensor values = memory.View(picture.Tiles.Length * picture.TokensPerTile, _model.Config.Text.HiddenSize);
            for (int tile = 0; tile < picture.Tiles.Length; tile++)
            {
                pictures.Add(new PictureRows(picture.Tiles[tile], values.Slice(tile * picture.TokensPerTile, picture.TokensPerTile)));
            }
        }
    }

    private void Check(PromptPicture picture, int number)
    {
        if (_model.Vision is null)
        {
            throw new ArgumentException("The prompt has pictures, but the model was loaded without its vision tower (or has none).", "prompt");
        }
        if (picture.Image is not { } image)
        {
            throw new ArgumentException($"Picture {number} of the prompt is only a place: it was given by its tiles, without the picture itself.", "prompt");
        }
        if (image.TileSize != _model.Config.Vision!.ImageSize)
        {
            throw new ArgumentException($"Picture {number} of the prompt has tiles of {image.TileSize} pixels, the model's are of {_model.Config.Vision.ImageSize}: cut it by the model's ImageOptions.", "prompt");
        }
        if (picture.TokensPerTile != _model.TokensPerTile)
        {
            throw new ArgumentException($"Picture {number} of the prompt has {picture.TokensPerTile} tokens a tile, the model's have {_model.TokensPerTile}: the prompt was made for another model.", "prompt");
        }
        int mark = _prompt.Ids[picture.Tiles[0]];
        if (mark != _model.Config.ImageToken)
        {
            throw new ArgumentException($"Picture {number} of the prompt stands as token {mark}, the model's patches are {_model.Config.ImageToken}: the prompt was made for another model.", "prompt");
        }
    }
}
