using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Cases;

/// <summary>Edits of a safetensors file, in the order that the README of the cases gives.</summary>
internal static class TensorEdits
{
    public static void Apply(string file, JsonObject op)
    {
        List<Tensor> tensors;
        using (SafeTensorsFile source = SafeTensorsFile.Open(file))
        {
            tensors = [.. source.Tensors.Select(tensor => new Tensor(tensor.Name, tensor.DType, [.. tensor.Shape], source.ReadBytes(tensor.Name)))];
        }
        if (op["drop"] is JsonNode drop)
        {
            tensors.RemoveAll(tensor => Matches(tensor, drop));
        }
        tensors = [.. tensors.Select(tensor => op["zero"] is JsonNode zero && Matches(tensor, zero) ? tensor with { Bytes = new byte[tensor.Bytes.Length] } : tensor)];
        foreach ((string name, JsonNode? from) in op["copy"]?.AsObject() ?? [])
        {
            Tensor original = tensors.Find(tensor => tensor.Name == from!.GetValue<string>())!;
            tensors.RemoveAll(tensor => tensor.Name == name);
            tensors.Add(original with { Name = name });
        }
        foreach ((string pattern, JsonNode? runs) in op["rows"]?.AsObject() ?? [])
        {
            tensors = [.. tensors.Select(tensor => Regex.IsMatch(tensor.Name, pattern) ? Rows(tensor, runs!.AsArray()) : tensor)];
        }
        foreach ((string pattern, JsonNode? shape) in op["shape"]?.AsObject() ?? [])
        {
            tensors = [.. tensors.Select(tensor => Regex.IsMatch(tensor.Name, pattern) ? tensor with { Shape = Shape(tensor, [.. shape!.AsArray().Select(size => size!.GetValue<long>())]) } : tensor)];
        }
        if (op["float32"] is JsonNode wide)
        {
            tensors = [.. tensors.Select(tensor => Matches(tensor, wide) && tensor.Type == SafeTensorsType.BF16 ? Widened(tensor) : tensor)];
        }
        foreach ((string name, JsonNode? pokes) in op["poke"]?.AsObject() ?? [])
        {
            Tensor tensor = tensors.Find(tensor => tensor.Name == name)!;
            foreach (JsonNode? poke in pokes!.AsArray())
            {
                Convert.FromHexString(poke![1]!.GetValue<string>()).CopyTo(tensor.Bytes, poke[0]!.GetValue<int>());
            }
        }
        foreach (JsonNode? rename in op["rename"]?.AsArray() ?? [])
        {
            tensors = [.. tensors.Select(tensor => tensor with { Name = new Regex(rename![0]!.GetValue<string>()).Replace(tensor.Name, rename[1]!.GetValue<string>()) })];
        }
        SafeTensorsWriter.Write(file, tensors.Select(tensor => SafeTensorsEntry.FromBytes(tensor.Name, tensor.Type, tensor.Shape, tensor.Bytes)));
    }

    private static bool Matches(Tensor tensor, JsonNode pattern) => Regex.IsMatch(tensor.Name, pattern.GetValue<string>());

    private static Tensor Rows(Tensor tensor, JsonArray runs)
    {
        int rowBytes = (int)(tensor.Bytes.Length / tensor.Shape[0]);
        List<byte> bytes = [];
        foreach (JsonNode? run in runs)
        {
            (int first, int count, int times) = (run![0]!.GetValue<int>(), run[1]!.GetValue<int>(), run[2]!.GetValue<int>());
            for (int time = 0; time < times; time++)
            {
                bytes.AddRange(tensor.Bytes.AsSpan(first * rowBytes, count * rowBytes));
            }
        }
        return tensor with { Bytes = [.. bytes], Shape = [bytes.Count / rowBytes, .. tensor.Shape[1..]] };
    }

    private static long[] Shape(Tensor tensor, long[] shape)
    {
        long elements = tensor.Shape.Aggregate(1L, (a, b) => a * b);
        long known = shape.Where(size => size >= 0).Aggregate(1L, (a, b) => a * b);
        return [.. shape.Select(size => size >= 0 ? size : elements / known)];
    }

    private static Tensor Widened(Tensor tensor)
    {
        float[] values = [.. MemoryMarshal.Cast<byte, ushort>(tensor.Bytes).ToArray().Select(Bf16.ToSingle)];
        return tensor with { Type = SafeTensorsType.F32, Bytes = MemoryMarshal.AsBytes<float>(values).ToArray() };
    }

    private sealed record Tensor(string Name, SafeTensorsType Type, long[] Shape, byte[] Bytes);
}
