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
    private readonly (int First, int Last)[] _places;
    private readonly bool[] _isEncoded;

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
        _places = new (int, int)[prompt.Images.Count];
        _isEncoded = new bool[prompt.Images.Count];
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
        List<PictureRows> rows = [];
        for (int i = 0; i < _places.Length; i++)
        {
            if (_places[i].Last >= reused)
            {
                rows.AddRange(Encode(i, observer, cancellation));
            }
        }
        sequence.Assign(_prompt.Ids, _keys, rows);
        return reused;
    }

    /// <summary>Makes the prompt pending in a sequence that is empty; of its pictures each when it is needed, see <see cref="Ready"/>.</summary>
    public void AppendTo(Sequence sequence) => sequence.Assign(_prompt.Ids, _keys, []);

    /// <summary>How many of a sequence's pending tokens come before a picture that is not encoded yet.</summary>
    public int Ready(Sequence sequence) => NextPicture(sequence) is int next ? Math.Max(0, _places[next].First - sequence.Length) : int.MaxValue;

    /// <summary>Encodes the next picture that a sequence needs and has not.</summary>
    public void EncodeNext(Sequence sequence, IForwardObserver? observer)
    {
        if (NextPicture(sequence) is int next)
        {
            foreach (PictureRows rows in Encode(next, observer, CancellationToken.None))
            {
                sequence.Append(rows);
            }
            _isEncoded[next] = true;
        }
    }

    private int? NextPicture(Sequence sequence)
    {
        for (int i = 0; i < _places.Length; i++)
        {
            if (!_isEncoded[i] && _places[i].Last >= sequence.Length)
            {
                return i;
            }
        }
        return null;
    }

    /// <summary>The embeddings of a picture, where its patches stand.</summary>
    private List<PictureRows> Encode(int picture, IForwardObserver? observer, CancellationToken cancellation)
    {
        PreprocessedImage image = _prompt.Images[picture];
        (int first, int last) = _places[picture];
        float[] features = Encode(_model, [.. image.Bf16Tiles], image.Tiles, observer, cancellation);
        List<PictureRows> rows = Place(_prompt.Ids.AsSpan(first, last + 1 - first), _model.Config.ImageToken, features, _model.Config.Text.HiddenSize);
        return rows.ConvertAll(run => run with { Position = first + run.Position });
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

    /// <summary>Hands embeddings [n, D] to the n patch tokens, a run of patches at a time.</summary>
    /// <exception cref="ArgumentException">There are more or fewer such tokens.</exception>
    internal static List<PictureRows> Place(ReadOnlySpan<int> ids, int patchId, float[] features, int d)
    {
        int tokens = ids.Count(patchId), used = 0;
        if (tokens != features.Length / d)
        {
            throw PatchMismatch(tokens, features.Length / d);
        }
        List<PictureRows> rows = [];
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] != patchId)
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
        for (int i = 0; i < _places.Length; i++)
        {
            PreprocessedImage image = _prompt.Images[i];
            _places[i].First = Array.IndexOf(_prompt.Ids, patchId, at + 1);
            // The sign bit keeps a picture's key apart from every token id.
            long hash = BinaryPrimitives.ReadInt64LittleEndian(Convert.FromHexString(image.ContentHash.AsSpan(0, 16)));
            for (int left = Patches(image); left > 0; left--)
            {
                at = Array.IndexOf(_prompt.Ids, patchId, at + 1);
                keys[at] = long.MinValue | (hash + left);
            }
            _places[i].Last = at;
        }
        return keys;
    }

    private static ArgumentException PatchMismatch(int tokens, int embeddings) =>
        new($"The prompt has {tokens} patch tokens, but its pictures give {embeddings} embeddings; each picture needs its full token run.");
}
