using System.Text;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>Random damage to a valid header: the parser accepts or names the fault, and throws nothing else.</summary>
public sealed class SafeTensorsFuzzTests
{
    private const int DataBytes = 20;

    private const string Header =
        """{"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},"é\n":{"dtype":"F4","shape":[0],"data_offsets":[20,20]}}""";

    private static readonly string[] s_tokens =
        ["-1", "1.5", "1e400", "9223372036854775807", "18446744073709551616", "NaN", "null", "true", "[", "]", "{", "}", "\"", ",", ":", "\\ud800", "\\u0000", "../", "[[[[", "\"dtype\":\"I8\",", "F64", "F6_E2M3", "\ufeff", "/*", "4294967296"];

    [Fact]
    public void OnlyNamedFaults()
    {
        Random random = new(20250405);
        int accepted = 0, refused = 0;
        byte[] original = Encoding.UTF8.GetBytes(Header);
        for (int i = 0; i < 20_000; i++)
        {
            List<byte> bytes = [.. original];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
            {
                Mutate(bytes, random);
            }
            try
            {
                (TensorInfo[] tensors, _, _) = SafeTensorsHeader.Parse("fuzz", bytes.ToArray(), DataBytes);
                accepted++;
                Assert.Equal(DataBytes, tensors.Sum(t => t.Bytes));
            }
            catch (ModelFormatException e)
            {
                refused++;
                Assert.Equal("fuzz", e.File);
                Assert.NotEmpty(e.Reason);
            }
        }
        // Both outcomes must occur, or the mutations test nothing.
        Assert.InRange(accepted, 100, 19_000);
        Assert.InRange(refused, 1000, 19_900);
    }

    [Fact]
    public void DamagedFilesOpenOrAreRefused()
    {
        Random random = new(7);
        using TemporaryFolder folder = new();
        byte[] original = TemporaryFolder.SafeTensors(Encoding.UTF8.GetBytes(Header), DataBytes);
        for (int i = 0; i < 300; i++)
        {
            byte[] bytes = [.. original];
            bytes[random.Next(8)] ^= (byte)(1 << random.Next(8));
            byte[] cut = random.Next(3) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
            Assert.Throws<ModelFormatException>(() => SafeTensorsFile.Open(folder.Write("t", cut)));
        }
    }

    private static void Mutate(List<byte> bytes, Random random)
    {
        int at = random.Next(bytes.Count);
        switch (random.Next(6))
        {
            case 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 1:
                bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(1, 12)));
                break;
            case 2:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(s_tokens[random.Next(s_tokens.Length)]));
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(at, Math.Min(bytes.Count - at, random.Next(1, 60))));
                break;
            case 4:
                // A digit for a digit keeps the JSON valid, so that the deeper rules are reached.
                List<int> digits = [.. Enumerable.Range(0, bytes.Count).Where(i => bytes[i] is >= (byte)'0' and <= (byte)'9')];
                bytes[digits.Count == 0 ? at : digits[random.Next(digits.Count)]] = (byte)('0' + random.Next(10));
                break;
            default:
                bytes.Insert(at, (byte)' ');
                break;
        }
        if (bytes.Count == 0)
        {
            bytes.Add((byte)'{');
        }
    }
}
