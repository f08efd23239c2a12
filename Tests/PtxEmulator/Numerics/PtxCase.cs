using System.Runtime.InteropServices;
using System.Text.Json;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>The tensors of one case of the PTX corpus, and the instructions of its module.</summary>
internal sealed class PtxCase
{
    private readonly byte[] _file;
    private readonly JsonElement _header;
    private readonly int _start;

    public PtxCase(string name)
    {
        _file = File.ReadAllBytes(GoldenFiles.Path("ptx", name + ".safetensors"));
        int length = (int)BitConverter.ToInt64(_file);
        _header = JsonDocument.Parse(_file.AsMemory(8, length)).RootElement;
        _start = 8 + length;
        Opcodes = [.. File.ReadLines(GoldenFiles.Path("ptx", name + ".ptx"))
            .Select(line => line.Trim().Split([' ', '\t', ';'])[0]).Where(word => word.Contains('.'))];
    }

    /// <summary>Opcodes in the order of the text.</summary>
    public IReadOnlyList<string> Opcodes { get; }

    public T[] Read<T>(string tensor)
        where T : unmanaged
    {
        JsonElement offsets = _header.GetProperty(tensor).GetProperty("data_offsets");
        int from = offsets[0].GetInt32();
        return MemoryMarshal.Cast<byte, T>(_file.AsSpan(_start + from, offsets[1].GetInt32() - from)).ToArray();
    }
}
