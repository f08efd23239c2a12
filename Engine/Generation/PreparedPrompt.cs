using System.Buffers.Binary;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// A prompt that was found to fit a model, with a key for each token that says what stands there: the id, or for a picture's
/// patch the picture's content.
/// </summary>
internal sealed class PreparedPrompt
{
    /// <summary>Most pictures of a prompt.</summary>
    public const int MaxImages = 48;

    private readonly Llama4Model _model;
    private readonly Prompt _prompt;
    private readonly long[] _keys;

    /// <summary>Checks everything that can be checked, before anything is computed.</summary>
    /// <exception cref="ContextOverflowException">The prompt leaves no room for a token.</exception>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, or pictures and patch tokens do not match.</exception>
    public PreparedPrompt(StepRunner runner, Llama4Model model, Prompt prompt)
    {
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
        if (prompt.Images.Count > MaxImages)
        {
            throw new ArgumentException($"The prompt has {prompt.Images.Count} pictures; at most {MaxImages} are allowed.", nameof(prompt));
        }
        if (prompt.Images.Count > 0 && model.Vision is null)
        {
            throw new ArgumentException("The prompt has pictures, but the model was loaded without its vision tower (or has none).", nameof(prompt));
        }
        _keys = Keys();
    }

    /// <summary>
    /// Makes a sequence hold the prompt, reusing what it holds of it already: its pictures are encoded, then the sequence is
    /// emptied if need be and the rest is pending. Returns how many tokens were reused.
    /// </summary>
    /// <param name="sequence">The sequence, unchanged if anything fails.</param>
    /// <param name="observer">Sees the stages of the vision tower.</param>
    /// <param name="cancellation">Stops the encoding.</param>
    public int AssignTo(Sequence sequence, IForwardObserver? observer, CancellationToken cancellation)
    {
        int reused = sequence.Reusable(_keys);
        sequence.Assign(_prompt.Ids, _keys, Pictures(reused, observer, cancellation));
        return reused;
    }

    /// <summary>The embeddings of pictures that are not cached whole, where their patches stand.</summary>
    private List<PictureRows> Pictures(int reused, IForwardObserver? observer, CancellationToken cancellation)
    {
        int patchId = _model.Config.ImageToken;
        int left = _prompt.Ids.AsSpan(0, reused).Count(patchId), skipped = 0, cached = 0;
        while (cached < _prompt.Images.Count && left - skipped >= Patches(_prompt.Images[cached]))
        {
            skipped += Patches(_prompt.Images[cached++]);
        }
        PreprocessedImage[] images = [.. _prompt.Images.Skip(cached)];
        if (images.Length == 0)
        {
            return [];
        }
        ushort[] pixels = [.. images.SelectMany(image => image.Bf16Tiles)];
        float[] features = Encode(_model, pixels, images.Sum(image => image.Tiles), observer, cancellation);
        return Place(_prompt.Ids, patchId, skipped, features, _model.Config.Text.HiddenSize);
    }

    /// <summary>Encodes tiles by the model's vision tower.</summary>
    /// <exception cref="ObjectDisposedException">The model is disposed.</exception>
    internal static float[] Encode(Llama4Model model, ushort[] pixels, int tiles, IForwardObserver? observer, CancellationToken cancellation)
    {
        using (model.Use())
        {
            return model.Vision!.Encode(pixels, tiles, observer, cancellation);
        }
    }

    /// <summary>Hands embeddings [n, D] to the n patch tokens after the first <paramref name="skipped"/>, a run of patches at a time.</summary>
    /// <exception cref="ArgumentException">There are more or fewer such tokens.</exception>
    internal static List<PictureRows> Place(ReadOnlySpan<int> ids, int patchId, int skipped, float[] features, int d)
    {
        int tokens = ids.Count(patchId) - skipped, used = 0;
        if (tokens != features.Length / d)
        {
            throw PatchMismatch(tokens, features.Length / d);
        }
        List<PictureRows> rows = [];
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] != patchId || skipped-- > 0)
            {
                continue;
            }
            int first = i;
            while (i + 1 < ids.Length && ids[i + 1] == patchId)
            {
                i++;
            }
            int count = i + 1 - first;
            rows.Add(new PictureRows(first, features.AsMemory(used * d, count * d)));
            used += count;
        }
        return rows;
    }

    private int Patches(PreprocessedImage image) => image.Tiles * _model.TokensPerTile;

    private long[] Keys()
    {
        long[] keys = Array.ConvertAll(_prompt.Ids, id => (long)id);
        int patchId = _model.Config.ImageToken;
        int wanted = _prompt.Images.Sum(Patches);
        int tokens = _prompt.Images.Count > 0 ? _prompt.Ids.AsSpan().Count(patchId) : 0;
        if (tokens != wanted)
        {
            throw PatchMismatch(tokens, wanted);
        }
        int at = -1;
        foreach (PreprocessedImage image in _prompt.Images)
        {
            // The sign bit keeps a picture's key apart from every token id.
            long hash = BinaryPrimitives.ReadInt64LittleEndian(Convert.FromHexString(image.ContentHash.AsSpan(0, 16)));
            for (int left = Patches(image); left > 0; left--)
            {
                at = Array.IndexOf(_prompt.Ids, patchId, at + 1);
                keys[at] = long.MinValue | (hash + left);
            }
        }
        return keys;
    }

    private static ArgumentException PatchMismatch(int tokens, int embeddings) =>
        new($"The prompt has {tokens} patch tokens, but its pictures give {embeddings} embeddings; each picture needs its full token run.");
}
