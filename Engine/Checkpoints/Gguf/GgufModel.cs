using System.Globalization;
using System.Text.RegularExpressions;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>A GGUF model, opened: all parts of a split file, and the vision projector's file if there is one.</summary>
internal sealed partial class GgufModel
{
    private const string SplitCount = "split.count", SplitNumber = "split.no", SplitTensors = "split.tensors.count";
    private const int MaxParts = 65535;

    private GgufModel(MappedTensors source, GgufMetadata metadata, GgufMetadata? vision)
    {
        Source = source;
        Metadata = metadata;
        Vision = vision;
    }

    /// <summary>The tensors of all files.</summary>
    public MappedTensors Source { get; }

    /// <summary>The metadata of the model, which a split model has in its first part.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The metadata of the vision projector's file, or null.</summary>
    public GgufMetadata? Vision { get; }

    /// <summary>Opens a model.</summary>
    /// <param name="path">A GGUF file; of a split model any part.</param>
    /// <param name="projector">The vision projector's file, or null.</param>
    /// <exception cref="ModelFormatException">A file is missing, malformed, or not what it is taken for.</exception>
    public static GgufModel Open(string path, string? projector)
    {
        var source = new MappedTensors(path);
        try
        {
            GgufMetadata metadata = AddModel(source, path);
            return new GgufModel(source, metadata, projector is null ? null : AddFile(source, projector, "clip"));
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file is a part of a split model other than its first.</summary>
    public static bool IsLaterPart(string path) => SplitName().Match(Path.GetFileName(path)) is { Success: true } name && name.Groups["part"].Value != "00001";

    private static GgufMetadata AddModel(MappedTensors source, string path)
    {
        Match name = SplitName().Match(Path.GetFileName(path));
        if (!name.Success)
        {
            GgufMetadata whole = AddFile(source, path);
            return whole.Int(SplitCount, 0, MaxParts, 0) is > 1 and var parts
                ? throw whole.Fault(SplitCount, $"is {parts}, so the file must be named like 'model-00001-of-{parts:D5}.gguf': the other parts are found by that name.")
                : whole;
        }
        int count = int.Parse(name.Groups["count"].Value, CultureInfo.InvariantCulture);
        string Part(int part) => Path.Combine(Path.GetDirectoryName(path) ?? "", $"{name.Groups["name"].Value}-{part:D5}-of-{count:D5}{name.Groups["end"].Value}");
        List<GgufMetadata> files = [];
        for (int part = 1; part <= count; part++)
        {
            if (!File.Exists(Part(part)))
            {
                throw new ModelFormatException(Part(part), null, $"is missing: the model is split into {count} files, and all of them are needed.");
            }
            GgufMetadata file = AddFile(source, Part(part));
            (int ownNumber, int ownCount) = (file.Int(SplitNumber, 0, MaxParts), file.Int(SplitCount, 0, MaxParts));
            if ((ownNumber, ownCount) != (part - 1, count))
            {
                throw file.Fault(SplitNumber, $"is {ownNumber} of {SplitCount} {ownCount}; by the file's name it is {part - 1} of {count}.");
            }
            files.Add(file);
        }
        int total = files[0].Int(SplitTensors, 0, int.MaxValue, source.Tensors.Count);
        return total == source.Tensors.Count
            ? files[0]
            : throw files[0].Fault(SplitTensors, $"is {total}; the {count} files have {source.Tensors.Count} tensors.");
    }

    private static GgufMetadata AddFile(MappedTensors source, string path, string? architecture = null)
    {
        (GgufMetadata metadata, IReadOnlyList<StoredTensor> tensors) = GgufHeader.Read(source.Map(path));
        // Asked before anything is added: two models have the same names.
        if (architecture is not null && metadata.Text(GgufConfig.Architecture) is var own && own != architecture)
        {
            throw metadata.Fault(GgufConfig.Architecture, $"is '{own ?? "(absent)"}'; a vision projector's is '{architecture}'.");
        }
        foreach (StoredTensor tensor in tensors)
        {
            source.Add(tensor);
        }
        return metadata;
    }

    [GeneratedRegex(@"^(?<name>.+)-(?<part>\d{5})-of-(?<count>\d{5})(?<end>\.(?i:gguf))$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex SplitName();
}
