using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.PtxEmulator.Cases;

namespace Llama4Kernels.Cli.Ptx;

/// <summary>Cases as files: NAME.json, NAME.ptx and NAME.safetensors in one folder.</summary>
internal static class CaseFiles
{
    /// <summary>A file, or a folder's cases in the order of their names.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static string[] Find(string path)
    {
        if (File.Exists(path))
        {
            return [path];
        }
        if (!Directory.Exists(path))
        {
            throw new FileNotFoundException($"{path}: no such file or folder.");
        }
        string[] files = [.. Directory.GetFiles(path, "*.json").Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new ArgumentException($"{path}: the folder has no cases.");
    }

    /// <exception cref="CaseFormatException">A part is malformed, or the parts do not fit each other.</exception>
    /// <exception cref="ModelFormatException">The tensors cannot be read.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static PtxCase Read(string path)
    {
        if (!path.EndsWith(".json", StringComparison.Ordinal))
        {
            throw new CaseFormatException(path, null, "is no case: its name must end in .json.");
        }
        string json = File.ReadAllText(path);
        string ptx = File.ReadAllText(Path.ChangeExtension(path, ".ptx"));
        using SafeTensorsFile file = SafeTensorsFile.Open(Path.ChangeExtension(path, ".safetensors"));
        return PtxCase.Read(path, json, ptx, file.Tensors.Select(tensor => new CaseTensor(tensor.Name, Element(file, tensor), tensor.Shape, file.ReadBytes(tensor.Name))));
    }

    public static void Write(string path, IEnumerable<CaseTensor> tensors) =>
        SafeTensorsWriter.Write(path, tensors.Select(tensor =>
            SafeTensorsEntry.FromBytes(tensor.Name, Enum.Parse<SafeTensorsType>(tensor.Element.ToString()), tensor.Shape, tensor.Data)));

    private static CaseElement Element(SafeTensorsFile file, TensorInfo tensor) =>
        Enum.TryParse(tensor.DType.ToString(), out CaseElement element) ? element
            : throw new CaseFormatException(file.Path, tensor.Name, $"is {tensor.DType}; cases have {string.Join(", ", Enum.GetNames<CaseElement>())}.");
}
