using System.Buffers.Binary;
using System.Text;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>A folder that disappears with the test, and ways to fill it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("llama4-tests-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, byte[] bytes)
    {
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    /// <summary>A safetensors file with that header and so many zero bytes of data.</summary>
    public string WriteTensors(string header, int dataBytes, string name = "t.safetensors") =>
        Write(name, SafeTensors(Encoding.UTF8.GetBytes(header), dataBytes));

    public static byte[] SafeTensors(byte[] header, int dataBytes)
    {
        byte[] file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file, 8);
        return file;
    }

    /// <summary>An entry of zeros.</summary>
    public static SafeTensorsEntry Zeros(string name, SafeTensorsType type, params long[] shape) =>
        SafeTensorsEntry.FromBytes(name, type, shape, new byte[shape.Aggregate(1L, (a, b) => a * b) * type.Bits() / 8]);

    /// <summary>Copies a model's folder in here, without its goldens.</summary>
    public void CopyModel(string source)
    {
        foreach (string file in Directory.GetFiles(source))
        {
            System.IO.File.Copy(file, File(System.IO.Path.GetFileName(file)));
        }
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
