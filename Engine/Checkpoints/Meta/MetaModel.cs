using System.Globalization;
using System.Text;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints.Meta;

/// <summary>The files <c>consolidated.NN.pth</c> of a folder, one for each rank of a model-parallel set.</summary>
internal static class MetaModel
{
    /// <summary>The configuration's name in such a folder.</summary>
    public const string ParamsName = "params.json";

    /// <summary>What to do with the quantised variants.</summary>
    public const string QuantisedAdvice =
        "Download the bfloat16 files of the same model, and quantise on loading (--weights int4 or fp8); or the FP8 release for Hugging Face.";

    private const string First = "consolidated.", Last = ".pth", DataFolder = "/data/";

    /// <summary>The name of a rank's file.</summary>
    public static string FileName(int rank) => $"{First}{rank:D2}{Last}";

    /// <summary>The files' paths in the order of the ranks; empty if there is none.</summary>
    public static string[] FilesOf(string folder) =>
        [.. Directory.GetFiles(folder, First + "*" + Last).OrderBy(file => file.Length).ThenBy(file => file, StringComparer.Ordinal)];

    /// <summary>Opens all ranks.</summary>
    /// <exception cref="ModelFormatException">A rank is missing or there twice, a file is malformed, or it is a quantised variant.</exception>
    public static MappedTensors Open(string folder)
    {
        foreach (string pattern in (string[])["fp8_scales_*.pt", "int4_scales_*.pt"])
        {
            if (Directory.GetFiles(folder, pattern) is [string scales, ..])
            {
                throw new ModelFormatException(scales, null, $"belongs to a quantised variant (FP8 or int4), whose files are not supported. {QuantisedAdvice}");
            }
        }
        string[] files = FilesOf(folder);
        var source = new MappedTensors(folder);
        List<(long Bytes, uint Checksum)[]> contents = [];
        try
        {
            for (int rank = 0; rank < files.Length; rank++)
            {
                string number = Path.GetFileName(files[rank])[First.Length..^Last.Length];
                if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int own) || own != rank)
                {
                    throw new ModelFormatException(Path.Combine(folder, FileName(rank)), null, $"is missing: the files of all ranks are needed, '{Path.GetFileName(files[rank])}' is there.");
                }
                (long Bytes, uint Checksum)[] content = AddRank(source, files[rank], rank, files.Length);
                int same = contents.FindIndex(other => other.AsSpan().SequenceEqual(content));
                if (same >= 0 && Array.Exists(content, record => record.Checksum != 0))
                {
                    throw new ModelFormatException(files[rank], null, $"is a copy of '{Path.GetFileName(files[same])}': every rank has a share of its own. Download it again.");
                }
                contents.Add(content);
            }
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    // Gives what tells a rank from another without reading gigabytes: the archive's own checksums of its data.
    private static (long Bytes, uint Checksum)[] AddRank(MappedTensors source, string path, int rank, int ranks)
    {
        MappedFile file = source.Map(path);
        RefuseLegacy(file);
        Dictionary<string, ZipRecord> records = ZipDirectory.Read(file);
        const string Pickle = "/data.pkl", Order = "byteorder";
        string[] pickles = [.. records.Keys.Where(name => name.EndsWith(Pickle, StringComparison.Ordinal))];
        if (pickles is not [string pickle])
        {
            throw new ModelFormatException(path, null, $"has {pickles.Length} records 'data.pkl'; torch.save writes one.");
        }
        string root = pickle[..^(Pickle.Length - 1)];
        if (records.TryGetValue(root + Order, out ZipRecord order) && !Bytes(file, order, 16).SequenceEqual("little"u8))
        {
            throw new ModelFormatException(path, root + Order, "is not 'little'; other byte orders are not supported.");
        }
        PickleDictionary dictionary = PickleReader.Read(path, Bytes(file, records[pickle], PickleReader.MaxBytes));
        List<StoredTensor> tensors = [];
        foreach ((object? key, object? value) in dictionary.Entries)
        {
            if (key is not string name)
            {
                throw new ModelFormatException(path, "data.pkl", "has a key that is no text.");
            }
            if (value is PickleTensor tensor)
            {
                tensors.Add(Locate(path, name, tensor, root, records) with { Name = MetaNaming.OfRank(name, rank, ranks) });
            }
            else if (value is not PickleStream && !MetaNaming.IsDropped(name))
            {
                throw new ModelFormatException(path, name, "is no tensor: the file must be one flat dictionary of tensors.");
            }
        }
        foreach (StoredTensor tensor in tensors.OrderBy(tensor => tensor.Offset))
        {
            source.Add(tensor);
        }
        return
        [
            .. records.Where(record => record.Key.Contains(DataFolder, StringComparison.Ordinal)).OrderBy(record => record.Key, StringComparer.Ordinal)
                .Select(record => (record.Value.Bytes, record.Value.Checksum)),
        ];
    }

    private static unsafe void RefuseLegacy(MappedFile file)
    {
        // Protocol 2, then the magic number of ten bytes.
        ReadOnlySpan<byte> start = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9];
        if (file.Length >= start.Length && new ReadOnlySpan<byte>(file.Pointer, start.Length).SequenceEqual(start))
        {
            throw new ModelFormatException(file.Path, null, "is in the format of torch.save before PyTorch 1.6 (pickles without a zip archive). Load and save it again with a newer PyTorch.");
        }
    }

    private static unsafe ReadOnlySpan<byte> Bytes(MappedFile file, ZipRecord record, int limit) =>
        new(file.Pointer + record.Offset, (int)Math.Min(record.Bytes, limit + 1L));

    private static StoredTensor Locate(string path, string name, PickleTensor tensor, string root, Dictionary<string, ZipRecord> records)
    {
        PickleStorage storage = tensor.Storage;
        if (!PickleNames.TryGetType(storage.Type, out StoredType? type))
        {
            throw new ModelFormatException(path, name, $"has a storage of the class '{storage.Type}', which holds no weights.");
        }
        if (!records.TryGetValue($"{root}{DataFolder[1..]}{storage.Key}", out ZipRecord record))
        {
            throw new ModelFormatException(path, name, $"lies in the record 'data/{Shorten(storage.Key)}', which the archive lacks.");
        }
        if ((UInt128)(ulong)storage.Elements * (uint)type.BlockBytes != (ulong)record.Bytes)
        {
            throw new ModelFormatException(path, name, $"lies in a storage of {storage.Elements} elements of {type}, but the record 'data/{storage.Key}' has {record.Bytes} bytes.");
        }
        long elements = End(path, name, tensor) - tensor.Offset;
        bool contiguous = IsContiguous(tensor);
        return new StoredTensor(name, type, tensor.Size, path, record.Offset + tensor.Offset * type.BlockBytes, elements * type.BlockBytes)
        {
            Strides = contiguous ? null : tensor.Strides,
        };
    }

    // One past the last element, counted in the storage.
    private static long End(string path, string name, PickleTensor tensor)
    {
        Int128 last = tensor.Offset, count = 1;
        bool valid = tensor.Offset >= 0 && tensor.Size.Length <= 8;
        for (int i = 0; valid && i < tensor.Size.Length; i++)
        {
            valid = tensor.Size[i] >= 0 && tensor.Strides[i] >= 0;
            last += (Int128)Math.Max(0, tensor.Size[i] - 1) * tensor.Strides[i];
            count *= tensor.Size[i];
            valid &= count <= long.MaxValue && last <= long.MaxValue;
        }
        last = count == 0 ? tensor.Offset : last + 1;
        return valid && last <= tensor.Storage.Elements
            ? (long)last
            : throw new ModelFormatException(path, name, $"of size [{string.Join(", ", tensor.Size)}], strides [{string.Join(", ", tensor.Strides)}] and offset {tensor.Offset} is not inside its storage of {tensor.Storage.Elements} elements.");
    }

    private static bool IsContiguous(PickleTensor tensor)
    {
        long stride = 1;
        for (int i = tensor.Size.Length - 1; i >= 0; i--)
        {
            if (tensor.Size[i] != 1 && tensor.Strides[i] != stride)
            {
                return false;
            }
            stride *= tensor.Size[i];
        }
        return true;
    }

    private static string Shorten(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
