using Llama4Kernels.Engine.Checkpoints.Gguf;
using Llama4Kernels.Engine.Checkpoints.Meta;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>Which kind of files a path leads to.</summary>
internal enum ModelKind
{
    /// <summary>config.json and safetensors files.</summary>
    SafeTensors,

    /// <summary>A GGUF file, split or not.</summary>
    Gguf,

    /// <summary>params.json and consolidated.NN.pth files.</summary>
    Meta,

    /// <summary>No files: a configuration alone.</summary>
    Planned,
}

/// <summary>Where a model's files are.</summary>
/// <param name="Kind">Which kind.</param>
/// <param name="Folder">The folder.</param>
/// <param name="File">The GGUF file (of a split model its first part), otherwise null.</param>
/// <param name="Projector">The GGUF file of the vision projector, or null.</param>
internal sealed record ModelLocation(ModelKind Kind, string Folder, string? File, string? Projector)
{
    private const string Gguf = ".gguf", Mmproj = "mmproj";
    private const string Advice = "Give a folder (with config.json and safetensors files, or Meta's params.json and consolidated.*.pth), or a .gguf file.";

    /// <summary>Looks what a path leads to.</summary>
    /// <param name="path">A folder, or a file of a model.</param>
    /// <param name="projector">The vision projector's file, if the caller names one.</param>
    /// <exception cref="ModelFormatException">There is no model, or there are several.</exception>
    public static ModelLocation Find(string path, string? projector)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (System.IO.File.Exists(path))
        {
            return OfFile(path, projector);
        }
        if (!Directory.Exists(path))
        {
            throw new ModelFormatException(path, null, $"there is no such folder or file. {Advice}");
        }
        string[] models = [.. Files(path).Where(file => !IsProjector(file) && !GgufModel.IsLaterPart(file))];
        if (Directory.EnumerateFiles(path, "*.safetensors").Any() || System.IO.File.Exists(Path.Combine(path, "model.safetensors.index.json")) || (models.Length == 0 && MetaModel.FilesOf(path).Length == 0))
        {
            CheckOthers(path);
            return Without(projector, new ModelLocation(ModelKind.SafeTensors, path, null, null));
        }
        return models switch
        {
            [] => Without(projector, new ModelLocation(ModelKind.Meta, path, null, null)),
            [string only] => OfGguf(only, projector),
            _ => throw new ModelFormatException(path, null, $"holds {models.Length} GGUF models: {string.Join(", ", models.Take(10).Select(Path.GetFileName))}. Give the path of one of them."),
        };
    }

    // Folders of files that look like a model's and are not read.
    private static void CheckOthers(string path)
    {
        if (Directory.EnumerateFiles(path, "*.safetensors*").Any())
        {
            return;
        }
        if (Directory.EnumerateFiles(path, "pytorch_model*.bin").FirstOrDefault() is string pickle)
        {
            throw new ModelFormatException(pickle, null, "is a checkpoint in pickles, which can run code and are not read. Download the safetensors files of the same model.");
        }
        if (System.IO.File.Exists(Path.Combine(path, MetaModel.ParamsName)) && !System.IO.File.Exists(Path.Combine(path, "config.json")))
        {
            throw new ModelFormatException(path, null, $"has Meta's {MetaModel.ParamsName}, but no consolidated.00.pth beside it.");
        }
    }

    private static ModelLocation OfFile(string path, string? projector)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            Gguf => OfGguf(path, projector),
            ".pth" => Without(projector, new ModelLocation(ModelKind.Meta, folder, null, null)),
            ".safetensors" => Without(projector, new ModelLocation(ModelKind.SafeTensors, folder, null, null)),
            _ => throw new ModelFormatException(path, null, $"is no model. {Advice}"),
        };
    }

    private static ModelLocation OfGguf(string path, string? projector)
    {
        string own = Path.GetFullPath(path), folder = Path.GetDirectoryName(own)!;
        if (projector is not null && Path.GetFullPath(projector) == own)
        {
            throw new ModelFormatException(projector, null, "is the model itself; a vision projector is another file.");
        }
        // The file that loses least goes first; what is left goes by name.
        string? found = projector ?? Files(folder).Where(file => IsProjector(file) && file != own).OrderBy(Precision).ThenBy(file => file, StringComparer.Ordinal).FirstOrDefault();
        return new ModelLocation(ModelKind.Gguf, folder, path, found);
    }

    private static ModelLocation Without(string? projector, ModelLocation location) => projector is null
        ? location
        : throw new ModelFormatException(projector, null, $"is a vision projector for a GGUF model, but '{location.Folder}' holds another kind of model, which has its vision tower with it.");

    private static IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file).Equals(Gguf, StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal);

    private static bool IsProjector(string path) => Path.GetFileName(path).Contains(Mmproj, StringComparison.OrdinalIgnoreCase);

    private static int Precision(string path)
    {
        string name = Path.GetFileName(path);
        int index = Array.FindIndex((string[])["bf16", "f32", "f16"], part => name.Contains(part, StringComparison.OrdinalIgnoreCase));
        return index < 0 ? 3 : index;
    }
}
