using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>
/// llama.cpp's logits of a GGUF file. A test run compares the positions up to 1023; with LLAMA4_FUZZ of 10 or more all of them,
/// over the edge of an attention chunk.
/// </summary>
public sealed class GgufLogitsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Float32RowsAndTheirTopFiveEqualTheReference()
    {
        string path = _folder.File("tiny-F32.gguf");
        TinyGguf.Write(path, 0, TinyGguf.Bytes, 0);
        using (FileStream stream = File.OpenRead(path))
        {
            string expected = File.ReadAllText(GoldenFiles.Path("gguf", "tiny-F32-seed1.sha256")).Split(' ')[0];
            Assert.Equal(expected, Convert.ToHexStringLower(SHA256.HashData(stream)));
        }
        JsonElement[] rows = [.. File.ReadAllLines(GoldenFiles.Path("gguf", "tiny-F32-seed1.top5.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        int[] positions = [.. rows.Select(row => row.GetProperty("pos").GetInt32()).Where(position => position < 1024 || Fuzzing.Iterations(1) >= 10)];
        int[] ids = TinyGguf.Tokens(positions.Max() + 1);
        Assert.All(positions, (position, row) => Assert.Equal(rows[row].GetProperty("token").GetInt32(), ids[position]));
        float[] reference = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(GoldenFiles.Path("gguf", "tiny-F32-seed1.rows.f32"))).ToArray();

        using Llama4Model model = Llama4Model.Load(path);
        Assert.Equal(8192, model.Config.Text.AttentionChunkSize);
        Assert.Equal([true, true, true, false, true, true, true, false], model.Config.Text.LayerKinds.Select(layer => layer.UsesRope && layer.IsChunked));
        LogitsResult result = ModelRunner.Run(model, ids, new RunOptions { Positions = positions });
        for (int row = 0; row < positions.Length; row++)
        {
            ReadOnlySpan<float> actual = result.Logits.AsSpan(row * TinyGguf.Vocabulary, TinyGguf.Vocabulary);
            ReadOnlySpan<float> wanted = reference.AsSpan(row * TinyGguf.Vocabulary, TinyGguf.Vocabulary);
            float worst = 0;
            for (int i = 0; i < actual.Length; i++)
            {
                worst = Math.Max(worst, Math.Abs(actual[i] - wanted[i]));
            }
            Assert.True(worst <= 1e-3f, $"position {positions[row]}: {worst}");
            int[] top = [.. rows[row].GetProperty("top").EnumerateArray().Select(entry => entry[0].GetInt32())];
            Assert.Equal(top, TopFive(actual));
        }
    }

    private static int[] TopFive(ReadOnlySpan<float> logits)
    {
        float[] values = logits.ToArray();
        return [.. Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).Take(5)];
    }
}
