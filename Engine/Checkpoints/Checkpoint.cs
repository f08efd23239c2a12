using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// A model's folder, opened: its configuration and its weights as mapped memory. Addresses are valid until
/// <see cref="Dispose"/>.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private readonly ShardedCheckpoint _files;

    private Checkpoint(ModelConfig config, string prefix, ShardedCheckpoint files)
    {
        Config = config;
        Prefix = prefix;
        _files = files;
    }

    /// <summary>The configuration; without vision where the checkpoint has no vision tensors or was opened without them.</summary>
    public ModelConfig Config { get; }

    /// <summary>The folder.</summary>
    public string Folder => _files.Folder;

    /// <summary>What the names of text tensors begin with: "language_model." or "". The tensors decide, not the configuration.</summary>
    public string Prefix { get; }

    /// <summary>Bytes of all tensors.</summary>
    public long TotalBytes => _files.TotalBytes;

    /// <summary>All tensors.</summary>
    public IEnumerable<TensorInfo> Tensors => _files.Tensors;

    /// <summary>Opens a folder, validates every header, and checks that the tensors are those of the configuration.</summary>
    /// <param name="folder">The folder with config.json and the safetensors files.</param>
    /// <param name="vision">Whether the vision tower is wanted; without it, its tensors are neither needed nor looked at.</param>
    /// <exception cref="ModelFormatException">Anything is missing, malformed or does not fit; all faulty tensors are in one report.</exception>
    public static Checkpoint Open(string folder, bool vision = true)
    {
        ModelConfig config = ModelConfig.Load(folder);
        ShardedCheckpoint files = ShardedCheckpoint.Open(folder);
        try
        {
            List<string> warnings = [.. config.Warnings, .. files.Warnings];
            if (!vision)
            {
                config = config.WithoutVision();
            }
            else if (config.Vision is not null && !files.Tensors.Any(tensor => ExpectedTensors.IsVision(tensor.Name)))
            {
                warnings.Add("config.json describes a vision tower, but there are no vision tensors: the model takes text only.");
                config = config.WithoutVision();
            }
            string prefix = PrefixOf(config, files);
            warnings.AddRange(CheckpointValidator.Validate(config, prefix, files));
            return new Checkpoint(config with { Warnings = warnings }, prefix, files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    // Text-only derivatives come with either kind of config and either kind of names.
    private static string PrefixOf(ModelConfig config, ShardedCheckpoint files)
    {
        const string Nested = "language_model.", Embedding = "model.embed_tokens.weight";
        return files.TryGet(Nested + Embedding, out _, out _) ? Nested
            : files.TryGet(Embedding, out _, out _) || !config.Nested ? ""
            : Nested;
    }

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Has(string name) => _files.TryGet(name, out _, out _);

    /// <summary>The description of a tensor.</summary>
    /// <param name="name">Full name, with prefix.</param>
    /// <exception cref="ModelFormatException">There is no such tensor.</exception>
    public TensorInfo Info(string name) => Find(name).Tensor;

    /// <summary>A row-major [out, in] weight. An FP8 weight "X.weight" comes with the row scales of "X.weight_scale".</summary>
    /// <param name="name">Full name, with prefix.</param>
    /// <exception cref="ModelFormatException">No such tensor, not two-dimensional, a type that is no weight's, or FP8 without one scale per row.</exception>
    public StridedMatrix Matrix(string name)
    {
        (SafeTensorsFile file, TensorInfo tensor) = Find(name);
        ElementType type = WeightType(file, tensor);
        if (tensor.Shape is not [> 0 and <= int.MaxValue, > 0 and <= int.MaxValue])
        {
            throw new ModelFormatException(file.Path, name, $"has shape {tensor.ShapeText}; a matrix is needed.");
        }
        StridedMatrix matrix = MatrixSource.RowMajor(file.Address(tensor), type, (int)tensor.Shape[0], (int)tensor.Shape[1]);
        return type == ElementType.F8E4M3 ? AttachScales(matrix, file, tensor) : matrix;
    }

    /// <summary>
    /// Columns of one expert of a fused [experts, in, out] tensor, as the logical [columns, in] matrix that the kernels
    /// take: rows are the tensor's columns.
    /// </summary>
    /// <param name="name">Full name, with prefix.</param>
    /// <param name="expert">Which expert.</param>
    /// <param name="firstColumn">First output feature.</param>
    /// <param name="columns">Number of output features.</param>
    /// <exception cref="ModelFormatException">No such tensor, not three-dimensional, a type that is no weight's, or FP8 without its scales.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Expert or columns are not in the tensor.</exception>
    public StridedMatrix ExpertSlice(string name, int expert, int firstColumn, int columns)
    {
        (SafeTensorsFile file, TensorInfo tensor) = Find(name);
        ElementType type = WeightType(file, tensor);
        if (tensor.Shape is not [> 0, > 0 and <= int.MaxValue, > 0 and <= int.MaxValue])
        {
            throw new ModelFormatException(file.Path, name, $"is {tensor.DType} {tensor.ShapeText}; [experts, in, out] is needed.");
        }
        (long experts, long inputs, long outputs) = (tensor.Shape[0], tensor.Shape[1], tensor.Shape[2]);
        ArgumentOutOfRangeException.ThrowIfNegative(expert);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(expert, experts);
        ArgumentOutOfRangeException.ThrowIfNegative(firstColumn);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(columns, outputs - firstColumn);
        long first = (expert * inputs * outputs) + firstColumn;
        nint address = file.Address(tensor) + (nint)(first * type.Size());
        StridedMatrix matrix = new(address, type, columns, (int)inputs, RowStride: 1, ColumnStride: outputs);
        return type == ElementType.F8E4M3 ? AttachScales(matrix, file, tensor, (expert * outputs) + firstColumn) : matrix;
    }

    /// <summary>A copy of a vector as float32.</summary>
    /// <param name="name">Full name, with prefix.</param>
    /// <exception cref="ModelFormatException">No such tensor, not one-dimensional, or not BF16, F16 or F32.</exception>
    public float[] Vector(string name)
    {
        (SafeTensorsFile file, TensorInfo tensor) = Find(name);
        return tensor.Shape.Count == 1
            ? file.ReadFloats(name)
            : throw new ModelFormatException(file.Path, name, $"has shape {tensor.ShapeText}; a vector is needed.");
    }

    /// <summary>A copy of a small tensor of any shape as float32, row-major.</summary>
    /// <param name="name">Full name, with prefix.</param>
    /// <exception cref="ModelFormatException">No such tensor, or not BF16, F16 or F32.</exception>
    public float[] Values(string name) => Find(name).File.ReadFloats(name);

    /// <summary>Unmaps the files; every address given out becomes invalid.</summary>
    public void Dispose() => _files.Dispose();

    private (SafeTensorsFile File, TensorInfo Tensor) Find(string name) =>
        _files.TryGet(name, out SafeTensorsFile? file, out TensorInfo? tensor)
            ? (file, tensor)
            : throw new ModelFormatException(Folder, name, "there is no such tensor.");

    private static ElementType WeightType(SafeTensorsFile file, TensorInfo tensor) =>
        tensor.DType.TryGetElementType(out ElementType type)
            ? type
            : throw new ModelFormatException(file.Path, tensor.Name, $"is {tensor.DType}; weights are F32, BF16, F16 or F8_E4M3.");

    private StridedMatrix AttachScales(StridedMatrix matrix, SafeTensorsFile file, TensorInfo weight, long first = 0)
    {
        string name = weight.Name + "_scale";
        if (!_files.TryGet(name, out SafeTensorsFile? scaleFile, out TensorInfo? scale))
        {
            throw new ModelFormatException(file.Path, weight.Name, $"is FP8, but there is no '{name}'.");
        }
        ElementType type = WeightType(scaleFile, scale);
        ExpectedTensor expected = new(weight.Name, weight.Shape, IsLinear: true);
        if (type == ElementType.F8E4M3 || !expected.AllowsScale(scale.Shape))
        {
            throw new ModelFormatException(scaleFile.Path, name, $"is {scale.DType} {scale.ShapeText}; F32, BF16 or F16 {expected.ScaleShapesText} is needed.");
        }
        return matrix with { RowScales = scaleFile.Address(scale) + (nint)(first * type.Size()), RowScaleType = type };
    }
}
