using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.Gguf;
using Llama4Kernels.Engine.Checkpoints.Meta;
using Llama4Kernels.Engine.Checkpoints.Saved;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// A model's files, opened: its configuration and its weights as mapped memory, from a folder with safetensors files, from a
/// GGUF file, or from Meta's own files. Addresses are valid until <see cref="Dispose"/>.
/// </summary>
internal sealed class Checkpoint : IDisposable
{
    private readonly ModelLocation _location;
    private readonly Func<ReadOnlyMemory<byte>>? _embeddedTokenizer;

    private Checkpoint(ModelLocation location, ModelConfig config, WeightNaming naming, ITensorSource source, string? configJson, Func<ReadOnlyMemory<byte>>? tokenizer)
    {
        _location = location;
        Config = config;
        Naming = naming;
        Source = source;
        ConfigJson = configJson;
        _embeddedTokenizer = tokenizer;
        Weights = new WeightCatalogue(config, naming, source);
    }

    /// <summary>The configuration; without vision where the checkpoint has no vision tensors or was opened without them.</summary>
    internal ModelConfig Config { get; }

    /// <summary>Tokens that the model allows a sequence to have.</summary>
    public int MaxContext => Config.Text.MaxPositions;

    /// <summary>Whether it can be given pictures: there is a vision tower, and it was opened with it.</summary>
    public bool HasVision => Config.Vision is not null;

    /// <summary>What is odd about the files but does not keep the model from loading, for people.</summary>
    public IReadOnlyList<string> Warnings => Config.Warnings;

    /// <summary>The model's folder.</summary>
    public string Folder => _location.Folder;

    /// <summary>The folder, or the GGUF file.</summary>
    public string Location => _location.File ?? _location.Folder;

    /// <summary>The kind of files, for people.</summary>
    public string Format => _location.Kind switch
    {
        ModelKind.Gguf => "GGUF",
        ModelKind.Meta => "Meta's consolidated.*.pth",
        ModelKind.Planned => "no files",
        _ => IsSaved ? "safetensors, packed" : "safetensors",
    };

    /// <summary>Whether its weights were saved as the processor's products read them, by <c>llama4 quantize</c>.</summary>
    public bool IsSaved => Naming is SavedNaming;

    /// <summary>Bytes of all tensors.</summary>
    public long TotalBytes => Tensors.Sum(tensor => tensor.Bytes);

    /// <summary>All tensors.</summary>
    public IReadOnlyList<StoredTensor> Tensors => Source.Tensors;

    /// <summary>Whether there is a tokenizer: in the file, or beside it.</summary>
    public bool HasTokenizer => _embeddedTokenizer is not null || HasTokenizerFile;

    private bool HasTokenizerFile => _location.Kind != ModelKind.Planned && Llama4Tokenizer.IsIn(Folder);

    internal WeightNaming Naming { get; }

    internal ITensorSource Source { get; }

    internal WeightCatalogue Weights { get; }

    /// <summary>The configuration in the published form, translated from another one; null if the folder has it in a file.</summary>
    internal string? ConfigJson { get; }

    /// <summary>The tokenizer in the form of a tokenizer.json, if a model's file holds it.</summary>
    internal ReadOnlyMemory<byte>? EmbeddedTokenizer => _embeddedTokenizer?.Invoke();

    /// <summary>Opens a model, validates every header, and checks that the tensors are those of the configuration.</summary>
    /// <param name="path">
    /// A folder with config.json and safetensors files, one with a GGUF model, one with Meta's params.json and consolidated.NN.pth;
    /// or a .gguf file.
    /// </param>
    /// <param name="vision">Whether the vision tower is wanted; without it, its tensors are neither needed nor looked at.</param>
    /// <param name="projector">For GGUF: the vision projector's file; null looks for one beside the model (its name contains "mmproj").</param>
    /// <exception cref="ModelFormatException">Anything is missing, malformed or does not fit; all faulty tensors are in one report.</exception>
    public static Checkpoint Open(string path, bool vision = true, string? projector = null)
    {
        ModelLocation location = ModelLocation.Find(path, projector);
        return location.Kind switch
        {
            ModelKind.Gguf => OpenGguf(location, vision),
            ModelKind.Meta => OpenMeta(location, vision),
            _ => OpenSafeTensors(location, vision),
        };
    }

    /// <summary>The tensors that a configuration calls for, in bfloat16 and in no file.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="name">What to call it in errors.</param>
    /// <param name="random">Random values, which take the memory of the largest tensor; else zeros, which take none.</param>
    /// <param name="tokenizer">Gives the bytes of a tokenizer.json; null for none.</param>
    /// <exception cref="OutOfMemoryException">The system has no address space for its largest tensor.</exception>
    internal static Checkpoint Plan(ModelConfig config, string name, bool random = false, Func<ReadOnlyMemory<byte>>? tokenizer = null) =>
        Join(new ModelLocation(ModelKind.Planned, name, null, null), new PlannedTensors(config, name, random), vision: true, source =>
            (config, new HuggingFaceNaming(HuggingFaceNaming.PrefixOf(config, source), config.Text.Experts, []), null, tokenizer));

    /// <summary>Opens the tensors alone: every header is validated, but nothing is compared with a configuration.</summary>
    /// <param name="path">As for <see cref="Open"/>.</param>
    /// <param name="projector">As for <see cref="Open"/>.</param>
    /// <exception cref="ModelFormatException">A file is missing or malformed.</exception>
    internal static ITensorSource OpenTensors(string path, string? projector = null)
    {
        ModelLocation location = ModelLocation.Find(path, projector);
        return location.Kind switch
        {
            ModelKind.Gguf => GgufModel.Open(location.File!, location.Projector).Source,
            ModelKind.Meta => MetaModel.Open(location.Folder),
            _ => ShardedCheckpoint.Open(location.Folder),
        };
    }

    /// <summary>The part of the model that a tensor belongs to, for tables: "attention", "routed experts", …</summary>
    internal string GroupOf(string tensor) => Weights.GroupOf(tensor);

    /// <summary>The tokenizer, or null if there is none.</summary>
    /// <exception cref="ModelFormatException">It is malformed or not a Llama 4 tokenizer.</exception>
    public Llama4Tokenizer? LoadTokenizer() =>
        EmbeddedTokenizer is { } json ? TokenizerJsonFile.Parse(json, Location)
        : HasTokenizerFile ? Llama4Tokenizer.Load(Folder)
        : null;

    /// <summary>How pictures are cut into tiles.</summary>
    /// <exception cref="ModelFormatException">preprocessor_config.json is malformed.</exception>
    internal TileOptions LoadTileOptions()
    {
        TileOptions options = _location.Kind == ModelKind.SafeTensors ? PreprocessorConfig.Load(Folder) : new TileOptions();
        return Config.Vision is { } vision ? options with { Tile = vision.ImageSize } : options;
    }

    /// <summary>Unmaps the files; every address given out becomes invalid.</summary>
    public void Dispose() => Source.Dispose();

    private static Checkpoint OpenSafeTensors(ModelLocation location, bool vision)
    {
        ModelConfig config = ModelConfig.Load(location.Folder);
        return Join(location, ShardedCheckpoint.Open(location.Folder), vision, source =>
        {
            string prefix = HuggingFaceNaming.PrefixOf(config, source);
            WeightNaming naming = source.Tensors.Any(tensor => tensor.Packed is not null)
                ? new SavedNaming(config, prefix)
                : new HuggingFaceNaming(prefix, config.Text.Experts, source.Tensors.Select(tensor => tensor.Name));
            return (config, naming, null, null);
        });
    }

    private static Checkpoint OpenGguf(ModelLocation location, bool vision)
    {
        GgufModel model = GgufModel.Open(location.File!, vision ? location.Projector : null);
        return Join(location, model.Source, vision, source =>
        {
            (JsonObject json, float[]? divisors) = GgufConfig.Translate(model);
            string text = json.ToJsonString();
            ModelConfig config;
            try
            {
                config = ModelConfig.Parse(text, location.File!);
            }
            catch (ModelFormatException e)
            {
                string? key = GgufConfig.KeyOf(e.Field);
                throw new ModelFormatException(GgufConfig.IsOfProjector(key) ? location.Projector! : e.File, key, e.Reason, e);
            }
            config = config with { Text = config.Text with { RopeDivisors = divisors } };
            bool tokens = model.Metadata.Has(GgufTokenizer.TokensKey);
            return (config, new GgufNaming(config.Text.Experts, source), text, tokens ? () => GgufTokenizer.Translate(model.Metadata) : null);
        });
    }

    private static Checkpoint OpenMeta(ModelLocation location, bool vision)
    {
        int ranks = MetaModel.FilesOf(location.Folder).Length;
        return Join(location, MetaModel.Open(location.Folder), vision, source =>
        {
            string text = MetaConfig.Translate(location.Folder, source, ranks).ToJsonString();
            ModelConfig config = ModelConfig.Parse(text, Path.Combine(location.Folder, MetaModel.ParamsName));
            return (config, new MetaNaming(config.Text, ranks, source), text, null);
        });
    }

    // What all kinds have in common; on failure the source is unmapped.
    private static Checkpoint Join(
        ModelLocation location, ITensorSource source, bool vision,
        Func<ITensorSource, (ModelConfig Config, WeightNaming Naming, string? Json, Func<ReadOnlyMemory<byte>>? Tokenizer)> read)
    {
        try
        {
            (ModelConfig config, WeightNaming naming, string? json, Func<ReadOnlyMemory<byte>>? tokenizer) = read(source);
            List<string> warnings = [.. config.Warnings, .. source.Warnings];
            if (!vision)
            {
                config = config.WithoutVision();
            }
            else if (config.Vision is not null && !source.Tensors.Any(tensor => naming.IsVision(tensor.Name)))
            {
                warnings.Add("The configuration describes a vision tower, but there are no vision tensors: the model takes text only.");
                config = config.WithoutVision();
            }
            warnings.AddRange(WeightValidator.Validate(config, naming, source));
            return new Checkpoint(location, config with { Warnings = warnings }, naming, source, json, tokenizer);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }
}
