using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// A loaded checkpoint: configuration, tokenizer, packed weights and the backend they live on. Whatever runs it shares it, also
/// from several threads: their steps take turns.
/// </summary>
public sealed class Llama4Model : IDisposable
{
    private const string NoTokenizerAdvice = "has neither tokenizer.json nor tokenizer.model; put one of them beside the model's files.";

    private readonly Checkpoint _checkpoint;
    private readonly IReadOnlyList<IDisposable> _weights;
    private readonly Llama4Tokenizer? _tokenizer;
    private readonly Lazy<ChatFormat>? _chat;
    private readonly Lazy<ConstraintCompiler> _constraints;
    private bool _disposed;

    private Llama4Model(Checkpoint checkpoint, ModelOptions options, IBackend backend, WeightLoader loader, Llama4Tokenizer? tokenizer, StopTokens stopTokens, TileOptions images)
    {
        _checkpoint = checkpoint;
        Options = options;
        Backend = backend;
        TextConfig c = checkpoint.Config.Text;
        TextWeights text = loader.LoadText();
        Config = checkpoint.Config;
        WeightBytesPerToken = text.MatricesPerToken(c.ExpertsPerToken).Sum(matrix => matrix.Bytes);
        Text = new TextModel(c, text, backend, Frequencies(c));
        if (Config.Vision is VisionConfig vision)
        {
            Vision = new VisionModel(vision, c.HiddenSize, loader.LoadVision(vision), backend);
        }
        Config = Config with { Warnings = [.. Config.Warnings, .. Remarks(loader)] };
        WeightBytes = loader.PackedBytes;
        _weights = loader.Release();
        _tokenizer = tokenizer?.PaddedTo(c.VocabSize);
        StopTokens = stopTokens;
        ImageOptions = images;
        _constraints = new Lazy<ConstraintCompiler>(() => new ConstraintCompiler(Tokenizer));
        // Only who chats needs the control tokens of the chat format.
        _chat = _tokenizer is null ? null : new Lazy<ChatFormat>(() => new ChatFormat(_tokenizer, TokensPerTile));
    }

    /// <summary>How it was loaded.</summary>
    public ModelOptions Options { get; }

    /// <summary>The checkpoint's configuration.</summary>
    internal ModelConfig Config { get; }

    /// <summary>The folder it was loaded from.</summary>
    public string Folder => _checkpoint.Folder;

    /// <summary>Where it runs.</summary>
    internal IBackend Backend { get; }

    /// <summary>Tokens that the checkpoint allows a sequence to have.</summary>
    public int MaxContext => Config.Text.MaxPositions;

    /// <summary>Number of token ids: every id is below it.</summary>
    public int VocabularySize => Config.Text.VocabSize;

    /// <summary>What is odd about the checkpoint but did not keep it from loading, for people.</summary>
    public IReadOnlyList<string> Warnings => Config.Warnings;

    /// <summary>Bytes of packed weights.</summary>
    public long WeightBytes { get; }

    /// <summary>Bytes of packed weights that decoding one token reads (without the cache).</summary>
    internal long WeightBytesPerToken { get; }

    /// <summary>Whether pictures can be given.</summary>
    public bool HasVision => Vision is not null;

    /// <summary>The tokenizer. Ids of the model's vocabulary that it has no token for decode to nothing.</summary>
    /// <exception cref="InvalidOperationException">The checkpoint has none.</exception>
    public Llama4Tokenizer Tokenizer => _tokenizer ?? throw NoTokenizer();

    /// <summary>The chat format.</summary>
    /// <exception cref="InvalidOperationException">The checkpoint has no tokenizer.</exception>
    /// <exception cref="ArgumentException">The tokenizer lacks a control token of the format.</exception>
    internal ChatFormat Chat => _chat?.Value ?? throw NoTokenizer();

    /// <summary>Compiles constraints of answers; what they have in common is made once for the model.</summary>
    /// <exception cref="InvalidOperationException">The checkpoint has no tokenizer.</exception>
    public ConstraintCompiler Constraints => _constraints.Value;

    /// <summary>Side of a picture's tile in pixels; the published models have 336.</summary>
    public int TileSize => ImageOptions.Tile;

    /// <summary>Most tiles of a picture, without the one that shows the whole of it; the published models have 16.</summary>
    public int MaxTiles => ImageOptions.MaxTiles;

    /// <summary>Whether small pictures are enlarged as far as a grid of tiles allows; the published models do not.</summary>
    public bool EnlargesPictures => ImageOptions.ResizeToMaxCanvas;

    /// <summary>How pictures are cut into tiles for this checkpoint.</summary>
    internal TileOptions ImageOptions { get; }

    /// <summary>Embeddings a picture tile becomes; the published models have 144.</summary>
    internal int TokensPerTile => Config.Vision?.TokensPerTile ?? VisionConfig.PublishedTokensPerTile;

    /// <summary>Held during each step: runners of one model may be used from several threads, their steps take turns.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>What ends an answer.</summary>
    internal StopTokens StopTokens { get; }

    internal TextModel Text { get; }

    internal VisionModel? Vision { get; }

    /// <summary>All matrices that were packed or mapped.</summary>
    internal IEnumerable<IMatrix> Matrices => _weights.OfType<IMatrix>();

    /// <summary>Loads a checkpoint: validates every header and tensor, then packs the weights for the backend.</summary>
    /// <param name="path">
    /// A folder with config.json and safetensors files, one with a GGUF model, one with Meta's params.json and consolidated.NN.pth;
    /// or a .gguf file.
    /// </param>
    /// <param name="options">Precision, threads, vision; null for the defaults.</param>
    /// <param name="progress">Told after each packed matrix.</param>
    /// <param name="cancellation">Stops the loading; everything taken is given back.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A file is malformed or does not fit the configuration.</exception>
    /// <exception cref="ArgumentException">The backend that was handed in is not what the options ask for.</exception>
    public static Llama4Model Load(string path, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default) =>
        LoadChecked(path, options ?? new ModelOptions(), null, progress, cancellation);

    /// <summary>Loads a checkpoint after one more check, of the configuration and the backend, before any weight is packed.</summary>
    internal static Llama4Model LoadChecked(string path, ModelOptions options, Action<ModelConfig, IBackend>? check, IProgress<LoadProgress>? progress, CancellationToken cancellation) =>
        From(Checkpoint.Open(path, options.LoadVision, options.Projector), options, check, progress, cancellation);

    /// <summary>
    /// A model of a configuration without files, all its weights zero: for plans of what a backend would do with it. The backend must
    /// not read weights (<see cref="Kernels.Backends.Cuda.CudaBackendOptions.WithoutWeights"/>) if the model is a large one.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="name">What to call the model in errors.</param>
    /// <param name="options">How it would be loaded; it has no tokenizer.</param>
    /// <param name="cancellation">Stops; everything taken is given back.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A weight cannot have the format that it is to have.</exception>
    internal static Llama4Model Plan(ModelConfig config, string name, ModelOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        Checkpoint checkpoint = Checkpoint.Plan(options.LoadVision ? config : config.WithoutVision(), name);
        return From(checkpoint, options, null, null, cancellation);
    }

    /// <summary>A model of a configuration without files, its weights random but always the same: to measure speed with.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="name">What to call the model in errors.</param>
    /// <param name="options">How it is loaded. Beside the packed weights it takes memory for the largest stored tensor.</param>
    /// <param name="tokenizer">Gives the bytes of a tokenizer.json for its answers' text; ids that it lacks decode to nothing. Null for none.</param>
    /// <param name="progress">Told after each packed matrix.</param>
    /// <param name="cancellation">Stops the loading; everything taken is given back.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A weight cannot have the format that it is to have.</exception>
    internal static Llama4Model OfRandomWeights(
        ModelConfig config, string name, ModelOptions options, Func<ReadOnlyMemory<byte>>? tokenizer, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        return From(Checkpoint.Plan(options.LoadVision ? config : config.WithoutVision(), name, random: true, tokenizer), options, null, progress, cancellation);
    }

    /// <summary>
    /// The prompt of a conversation: <c>&lt;|begin_of_text|&gt;</c>, the messages, and an open header for the model to answer after. No
    /// system prompt is added.
    /// </summary>
    /// <param name="messages">The messages, possibly none.</param>
    /// <exception cref="ArgumentException">A message other than the assistant's has tool calls, or the tokenizer lacks a control token of the format.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint has no tokenizer.</exception>
    public Prompt EncodePrompt(IReadOnlyList<ChatMessage> messages) => Chat.EncodePrompt(messages);

    /// <summary>The prompt of a base model, which continues text: <c>&lt;|begin_of_text|&gt;</c> and the content.</summary>
    /// <param name="content">Texts and pictures in order.</param>
    /// <exception cref="ArgumentException">The tokenizer lacks a control token of the format.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint has no tokenizer.</exception>
    public Prompt EncodeCompletion(IReadOnlyList<ChatContent> content) => Chat.EncodeCompletion(content);

    /// <summary>Decodes a picture's file and cuts it into tiles as the model wants it.</summary>
    /// <exception cref="ArgumentException">The model was loaded without its vision tower, or has none.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ImageFormat"/>: It is no picture, or one beyond the limits.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public ImageContent LoadPicture(string path) => HasVision
        ? Cut(ImageDecoder.Decode(path))
        : throw new ArgumentException($"{path}: the model has no vision tower and cannot take pictures.", nameof(path));

    /// <inheritdoc cref="LoadPicture(string)"/>
    /// <param name="file">The bytes of a picture's file.</param>
    /// <param name="maxPixels">Most pixels that it may have, 1 or more; null for the usual limit. They are counted before memory is taken for them.</param>
    public ImageContent LoadPicture(byte[] file, long? maxPixels = null) => HasVision
        ? Cut(ImageDecoder.Decode(file, maxPixels is long pixels ? ImageDecodeOptions.Default with { MaxPixels = pixels } : null))
        : throw new ArgumentException("The model has no vision tower and cannot take pictures.", nameof(file));

    /// <summary>Frees everything, after a step that runs; whoever uses the model later meets an <see cref="ObjectDisposedException"/>.</summary>
    /// <exception cref="InvalidOperationException">It was called from within a step, as by an observer.</exception>
    public void Dispose()
    {
        if (Gate.IsHeldByCurrentThread)
        {
            throw new InvalidOperationException("A model cannot be disposed from within one of its steps.");
        }
        lock (Gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                Free();
            }
        }
    }

    /// <summary>Holds the gate, so that nothing the model owns is freed meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The model is disposed.</exception>
    internal Lock.Scope Use()
    {
        Lock.Scope scope = Gate.EnterScope();
        if (_disposed)
        {
            scope.Dispose();
            throw new ObjectDisposedException(nameof(Llama4Model));
        }
        return scope;
    }

    private void Free()
    {
        Vision?.Dispose();
        foreach (IDisposable weight in _weights)
        {
            weight.Dispose();
        }
        Backend.Dispose();
        _checkpoint.Dispose();
    }

    /// <summary>What the options ask of a backend that was handed in, it must do.</summary>
    private static void CheckBackend(IBackend backend, ModelOptions options)
    {
        if (options.Activations is { } activations && backend.Activations != activations)
        {
            throw new ArgumentException($"The options ask for {activations} activations, but the backend '{backend.Name}' was made for {backend.Activations}.", nameof(options));
        }
        if (options.CreateBackend is not null && options.Threads != 0)
        {
            throw new ArgumentException("Threads is for the CPU backend that a model makes itself; give the number to the backend that is handed in.", nameof(options));
        }
    }

    /// <summary>Takes the checkpoint over, also when it throws.</summary>
    private static Llama4Model From(Checkpoint checkpoint, ModelOptions options, Action<ModelConfig, IBackend>? check, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        IBackend? backend = null;
        try
        {
            Llama4Tokenizer? tokenizer = checkpoint.LoadTokenizer();
            if (tokenizer is null && options.NeedsTokenizer)
            {
                throw new ModelFormatException(checkpoint.Location, null, NoTokenizerAdvice);
            }
            TextConfig c = checkpoint.Config.Text;
            var stopTokens = new StopTokens(c.EosTokens, tokenizer, c.VocabSize);
            TileOptions images = checkpoint.LoadTileOptions();
            backend = options.CreateBackend is null ? CpuBackendFor(options) : options.CreateBackend();
            CheckBackend(backend, options);
            options = options with { Activations = backend.Activations };
            check?.Invoke(checkpoint.Config, backend);
            using var loader = new WeightLoader(checkpoint, backend, options, progress, cancellation);
            loader.CheckFormats();
            return new Llama4Model(checkpoint, options, backend, loader, tokenizer, stopTokens, images);
        }
        catch
        {
            backend?.Dispose();
            checkpoint.Dispose();
            throw;
        }
    }

    private IEnumerable<string> Remarks(WeightLoader loader)
    {
        if (loader.KeptStored)
        {
            yield return $"Weights that are stored quantised stay as they are; {Options.Weights.ToString().ToLowerInvariant()} applies to the others.";
        }
        if (loader.PackedAgain is string reason)
        {
            yield return $"Weights that were saved packed were packed again, which takes time and memory: they are {reason}. 'llama4 quantize' saves them for this machine.";
        }
    }

    private ImageContent Cut(RgbImage image) => new(ImagePreprocessor.Process(image, ImageOptions));

    private static CpuBackend CpuBackendFor(ModelOptions options) => new(new CpuBackendOptions
    {
        Threads = options.Threads,
        Precision = options.Precision,
    });

    private static float[] Frequencies(TextConfig c)
    {
        float[] frequencies = RopeFrequencies.Compute(c.HeadDim, (float)c.RopeTheta, c.RopeScaling);
        return c.RopeDivisors is null ? frequencies : [.. frequencies.Zip(c.RopeDivisors, (frequency, divisor) => frequency / divisor)];
    }

    private InvalidOperationException NoTokenizer() => new($"{Folder} {NoTokenizerAdvice}");
}
