using System.Text;
using CsCheck;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Tests.Engine.Checkpoints;

namespace Llama4Kernels.Tests.Engine;

/// <summary>
/// Damaged config, index, tokenizer and processor files: they load, or a <see cref="ModelFormatException"/> says why not; nothing
/// else is thrown, and no more is allocated than the file's size and the declared caps allow. LLAMA4_FUZZ multiplies the counts.
/// </summary>
public sealed class ReaderFuzzTests : IDisposable
{
    private const long MaxAllocated = 256L << 20;

    private static readonly string[] s_tokens =
        ["-1", "0", "1.5", "1e400", "2147483647", "9223372036854775808", "NaN", "null", "true", "[", "]", "{}", "\"", ",", ":", "\\ud800", "\\u0000", "../", "[[[[", "\ufeff", "\"rope_theta\":1,", "\"id\":", "\"special\":true", "16777215", "=="];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tiny-scout", "config.json", 400)]
    [InlineData("tiny-flat", "config.json", 400)]
    [InlineData("tiny-fp8", "config.json", 400)]
    [InlineData("tiny-fp8", "generation_config.json", 100)]
    [InlineData("tiny-fp8", "preprocessor_config.json", 300)]
    [InlineData("cases/processor-one-patch", "processor_config.json", 300)]
    [InlineData("tiny-maverick", "model.safetensors.index.json", 200)]
    [InlineData("nano-tokenizer", "tokenizer.json", 60)]
    [InlineData("nano-tokenizer", "tokenizer.model", 60)]
    public void DamagedFilesLoadOrAreRefused(string source, string name, int count)
    {
        string original = source == "nano-tokenizer" ? GoldenFiles.SampleModel : GoldenFiles.Path(source);
        byte[] bytes = File.ReadAllBytes(Path.Combine(original, name));
        if (name == "generation_config.json")
        {
            File.Copy(Path.Combine(original, "config.json"), _folder.File("config.json"));
        }
        int loaded = 0, refused = 0;
        Gen<(int Kind, double At, int Token, byte Value)> edit = Gen.Select(Gen.Int[0, 4], Gen.Double[0, 1], Gen.Int[0, s_tokens.Length - 1], Gen.Byte);
        edit.Array[1, 3].Sample(
            edits =>
            {
                string path = _folder.Write(name, edits.Aggregate(bytes, Damaged));
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    Load(name, path);
                    loaded++;
                }
                catch (ModelFormatException e)
                {
                    refused++;
                    Assert.NotEmpty(e.Reason);
                }
                return GC.GetAllocatedBytesForCurrentThread() - before < MaxAllocated;
            },
            iter: Fuzzing.Iterations(count),
            threads: 1);
        Assert.True(refused > 0 && loaded + refused >= count, "The damage did nothing.");
    }

    private void Load(string name, string path)
    {
        switch (name)
        {
            case "config.json" or "generation_config.json":
                ModelConfig.Load(_folder.Path);
                break;
            case "tokenizer.json" or "tokenizer.model":
                Llama4Tokenizer.Load(path).Encode("How many experts? <think>", allowed: AllowedSpecials.All);
                break;
            case "model.safetensors.index.json":
                // Its shards are missing here: what is asked is that the index itself is read.
                ShardedCheckpoint.Open(_folder.Path).Dispose();
                break;
            default:
                PreprocessorConfig.Load(_folder.Path);
                break;
        }
    }

    private static byte[] Damaged(byte[] bytes, (int Kind, double At, int Token, byte Value) edit)
    {
        int at = (int)(edit.At * Math.Max(0, bytes.Length - 1));
        byte[] token = Encoding.UTF8.GetBytes(s_tokens[edit.Token]);
        return edit.Kind switch
        {
            0 => [.. bytes[..at], edit.Value, .. bytes[Math.Min(at + 1, bytes.Length)..]],
            1 => [.. bytes[..at], .. token, .. bytes[at..]],
            2 => [.. bytes[..at], .. bytes[Math.Min(at + edit.Value, bytes.Length)..]],
            3 => bytes[..at],
            // A number for a number keeps the JSON valid, so that the deeper rules are reached.
            _ => WithNumber(bytes, at, token),
        };
    }

    private static byte[] WithNumber(byte[] bytes, int at, byte[] token)
    {
        int digit = bytes.AsSpan(at).IndexOfAnyInRange((byte)'0', (byte)'9');
        if (digit < 0)
        {
            return bytes;
        }
        int end = at + digit;
        while (end < bytes.Length && bytes[end] is >= (byte)'0' and <= (byte)'9')
        {
            end++;
        }
        return [.. bytes[..(at + digit)], .. token, .. bytes[end..]];
    }
}
