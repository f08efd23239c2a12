using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Engine.Checkpoints.Saved;

/// <summary>
/// What a safetensors file says of matrices that it holds packed: each is a tensor of bytes, and the metadata have for its name
/// the format, the layout with its version, and the shape.
/// </summary>
internal static class SavedHeader
{
    private const string Key = "llama4.packed";

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    /// <summary>The metadata for some matrices.</summary>
    public static KeyValuePair<string, string> Write(IEnumerable<KeyValuePair<string, PackedShape>> packed) => new(Key, new JsonObject(packed.Select(entry => KeyValuePair.Create(
        entry.Key,
        JsonSerializer.SerializeToNode(new Entry(entry.Value.Format.Name, entry.Value.Layout, entry.Value.Version, entry.Value.Rows, entry.Value.Columns), s_json)))).ToJsonString());

    /// <summary>The packed matrices of a file by name; none if it has none.</summary>
    /// <exception cref="ModelFormatException">The metadata are malformed, name what this engine does not know, or do not fit the tensors.</exception>
    public static IReadOnlyDictionary<string, PackedShape> Read(SafeTensorsFile file)
    {
        var packed = new Dictionary<string, PackedShape>(StringComparer.Ordinal);
        if (!file.Metadata.TryGetValue(Key, out string? text))
        {
            return packed;
        }
        using JsonDocument json = ModelFiles.ParseJson(Encoding.UTF8.GetBytes(text), file.Path);
        foreach (JsonProperty property in json.RootElement.EnumerateObject())
        {
            PackedShape shape = ShapeOf(file.Path, property);
            if (!file.TryGet(property.Name, out TensorInfo? tensor))
            {
                throw new ModelFormatException(file.Path, property.Name, $"is in the metadata {Key}, but there is no such tensor.");
            }
            if (tensor.DType.Bits() != 8 || tensor.Bytes != SavedMatrix.BytesOf(shape))
            {
                throw new ModelFormatException(file.Path, property.Name, $"is {tensor.DType} with {tensor.Bytes} bytes; {shape} [{shape.Rows}, {shape.Columns}] needs {SafeTensorsType.U8} with {SavedMatrix.BytesOf(shape)}.");
            }
            packed.Add(property.Name, shape);
        }
        return packed;
    }

    /// <summary>A tensor of bytes as the matrix that it holds.</summary>
    public static StoredTensor Describe(StoredTensor bytes, PackedShape shape) => bytes with
    {
        Type = new StoredType($"{shape.Format.Name} {shape.Layout}/{shape.Version}", 1, 1),
        Shape = [shape.Rows, shape.Columns],
        Packed = shape,
    };

    private static PackedShape ShapeOf(string file, JsonProperty property)
    {
        try
        {
            Entry entry = property.Value.Deserialize<Entry>(s_json) ?? throw new JsonException("It is null.");
            var shape = new PackedShape(entry.Rows, entry.Columns, KeptFormats.Find(entry.Format) ?? WeightFormat.Get(entry.Format), entry.Layout, entry.Version);
            _ = SavedMatrix.BytesOf(shape);
            return shape;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or OverflowException)
        {
            throw new ModelFormatException(file, property.Name, $"has metadata {Key} that cannot be read: {e.Message}", e);
        }
    }

    private sealed record Entry(string Format, string Layout, int Version, int Rows, int Columns);
}
