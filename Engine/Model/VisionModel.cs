using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// The vision tower, adapter and projector: tiles to embeddings in the text model's width. g = image_size / patch_size,
/// n = g²/4 embeddings per tile, Dv tower width, Fv its MLP width, P adapter width, D text width.
/// </summary>
internal sealed class VisionModel : IDisposable
{
    /// <summary>Tiles that go through the tower together; more are taken in turns, so that memory stays bounded.</summary>
    private const int MaxTilesPerPass = 32;

    private readonly VisionConfig _config;
    private readonly VisionWeights _weights;
    private readonly IBackend _backend;
    private readonly int _textWidth;
    private readonly DeviceMemory _angles;
    private readonly int _grid;
    private DeviceMemory? _arena;

    public VisionModel(VisionConfig config, int textWidth, VisionWeights weights, IBackend backend)
    {
        _config = config;
        _weights = weights;
        _backend = backend;
        _textWidth = textWidth;
        _grid = config.Grid;
        float[] angles = VisionRope.Angles(_grid, HeadDim, (float)config.RopeTheta);
        _angles = backend.Allocate(angles.Length * sizeof(float));
        backend.Upload(angles, _angles.View(Tokens, HeadDim));
    }

    private int HeadDim => _config.HiddenSize / _config.Heads;

    private int Tokens => _config.Patches + 1;

    /// <summary>Pixels of one tile: channels · size².</summary>
    public int PixelsPerTile => _config.Channels * _config.ImageSize * _config.ImageSize;

    /// <summary>Encodes tiles (bf16 [tiles, channels, size, size]) to embeddings [tiles · n, D], which stay on the backend and belong to the caller.</summary>
    /// <exception cref="ArgumentException">The pixels are not those of so many tiles.</exception>
    public DeviceMemory Encode(ReadOnlySpan<ushort> pixels, int tiles, IForwardObserver? observer = null, CancellationToken cancellation = default)
    {
        if (tiles < 1 || pixels.Length != (long)tiles * PixelsPerTile)
        {
            throw new ArgumentException($"{tiles} tiles need {(long)tiles * PixelsPerTile} pixel values, got {pixels.Length}.", nameof(pixels));
        }
        int n = _config.TokensPerTile;
        DeviceMemory embeddings = _backend.Allocate(EmbeddingBytes(_config, _textWidth, tiles));
        try
        {
            Tensor rows = embeddings.View(tiles * n, _textWidth);
            for (int first = 0; first < tiles; first += MaxTilesPerPass)
            {
                int count = Math.Min(MaxTilesPerPass, tiles - first);
                Forward(pixels.Slice(first * PixelsPerTile, count * PixelsPerTile), count, rows.Slice(first * n, count * n), observer, cancellation);
            }
            return embeddings;
        }
        catch
        {
            embeddings.Dispose();
            throw;
        }
    }

    private void Forward(ReadOnlySpan<ushort> pixels, int tiles, Tensor projected, IForwardObserver? observer, CancellationToken cancellation)
    {
        ArenaPlan plan = Plan(_config, tiles);
        DeviceMemory arena = Arena(plan.Bytes);
        Tensor unfoldedPatches = plan.View(arena, 0), patchRows = plan.View(arena, 1), x = plan.View(arena, 2), normed = plan.View(arena, 3);
        Tensor qkv = plan.View(arena, 4), heads = plan.View(arena, 5), mlp = plan.View(arena, 6);
        Tensor shuffled = plan.View(arena, 7), adapted = plan.View(arena, 8), features = plan.View(arena, 9);
        Tensor angles = _angles.View(Tokens, HeadDim);
        VisionWeights w = _weights;

        _backend.UnfoldPatches(pixels, tiles, _config.Channels, _config.ImageSize, _config.PatchSize, unfoldedPatches);
        _backend.Linear(unfoldedPatches, w.PatchEmbedding, null, patchRows);                            // [tiles·g², Dv]
        _backend.AppendClassTokenAndPositions(patchRows, w.ClassEmbedding, w.Positions, tiles, x);      // [tiles·(g²+1), Dv]
        Norm(x, w.PreNorm, x);
        observer?.Vision("embedded", x);
        foreach (VisionLayerWeights layer in w.Layers)
        {
            cancellation.ThrowIfCancellationRequested();
            Norm(x, layer.AttentionNorm, normed);
            _backend.Linear(normed, layer.Qkv, layer.QkvBias, qkv);                                     // [·, 3·Dv]
            _backend.VisionAttention(qkv, tiles, _config.Heads, angles, heads);
            _backend.Linear(heads, layer.Output, layer.OutputBias, normed);
            _backend.Add(normed, x);

            Norm(x, layer.MlpNorm, normed);
            _backend.Linear(normed, layer.Fc1, layer.Fc1Bias, mlp);                                     // [·, Fv]
            _backend.Gelu(mlp);
            _backend.Linear(mlp, layer.Fc2, layer.Fc2Bias, normed);
            _backend.Add(normed, x);
        }
        Norm(x, w.PostNorm, x);
        _backend.PixelShuffle(x, tiles, _grid, shuffled);                                               // [tiles·n, 4·Dv]
        _backend.Linear(shuffled, w.AdapterFc1, null, adapted);
        _backend.Gelu(adapted);
        _backend.Linear(adapted, w.AdapterFc2, null, features);
        _backend.Gelu(features);
        observer?.Vision("features", features);
        _backend.Linear(features, w.Projector, null, projected);                                        // [tiles·n, D]
        observer?.Vision("projected", projected);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _arena?.Dispose();
        _angles.Dispose();
    }

    /// <summary>Bytes of the activations and embeddings of as many tiles as go through the tower together.</summary>
    public static long ActivationBytes(VisionConfig config, int textWidth) =>
        Plan(config, MaxTilesPerPass).Bytes + EmbeddingBytes(config, textWidth, MaxTilesPerPass);

    private static long EmbeddingBytes(VisionConfig config, int textWidth, int tiles) => (long)tiles * config.TokensPerTile * textWidth * sizeof(float);

    // In the order in which Forward names them.
    private static ArenaPlan Plan(VisionConfig config, int tiles)
    {
        int dv = config.HiddenSize, patches = tiles * config.Patches, rows = tiles * (config.Patches + 1), outputs = tiles * config.TokensPerTile;
        return new ArenaPlan(
            (patches, config.Channels * config.PatchSize * config.PatchSize),
            (patches, dv),
            (rows, dv),
            (rows, dv),
            (rows, 3 * dv),
            (rows, dv),
            (rows, config.IntermediateSize),
            (outputs, 4 * dv),
            (outputs, config.ProjectorInputDim),
            (outputs, config.ProjectorOutputDim));
    }

    private void Norm(Tensor x, LayerNormWeights norm, Tensor output) =>
        _backend.LayerNorm(x, norm.Weight, norm.Bias, _config.NormEps, output);

    private DeviceMemory Arena(long bytes)
    {
        if (_arena is null || _arena.Length < bytes)
        {
            _arena?.Dispose();
            _arena = _backend.Allocate(bytes);
        }
        return _arena;
    }
}
