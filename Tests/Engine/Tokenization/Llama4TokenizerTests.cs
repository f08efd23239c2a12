using System.Diagnostics;
using System.Text;
using CsCheck;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Tokenization;

public sealed class Llama4TokenizerTests
{
    private static Llama4Tokenizer Nano => TokenizerFiles.Nano;

    [Fact]
    public void UserTextNeverBecomesAControlToken()
    {
        foreach (string name in Nano.SpecialTokens.Keys)
        {
            Assert.All(Nano.Encode($"a{name}b"), id => Assert.False(Nano.IsSpecial(id)));
            Assert.Equal([Nano.SpecialTokens[name]], Nano.Encode(name, allowed: AllowedSpecials.All));
        }
    }

    [Fact]
    public void BosAndEosOnRequestOnly()
    {
        int[] plain = Nano.Encode("What is it?");
        Assert.True(Nano.TryGetSpecial("<|end_of_text|>", out int eos));
        Assert.Equal([Nano.BosId, .. plain, eos], Nano.Encode("What is it?", bos: true, eos: true));
        Assert.DoesNotContain(Nano.BosId, plain);
        Assert.Empty(Nano.Encode(string.Empty));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(1536)]
    [InlineData(int.MaxValue)]
    public void IdsOutsideTheVocabularyAreRefused(int id)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Nano.Decode([0, id]));
        StreamDecoder decoder = new(Nano);
        Assert.Throws<ArgumentOutOfRangeException>(() => decoder.Append(id));
        Assert.Equal("<|patch|>", decoder.Append(1535));
    }

    [Fact]
    public void UnknownSpecialIsNotFound() => Assert.False(Nano.TryGetSpecial("<|eot_id|>", out _));

    [Fact]
    public void EveryTextComesBack() =>
        Gen.OneOf(Gen.Char['\0', '\uD7FF'], Gen.Char[" \r\n\t'sStTlL/1٣ÉééǅªU+\u0301\u200D🙂𝒜𝟙"])
            .Array[0, 60]
            .Sample(units =>
            {
                string text = new(units);
                string repaired = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
                int[] ids = Nano.Encode(text);
                StreamDecoder decoder = new(Nano);
                string streamed = string.Concat(ids.Select(decoder.Append)) + decoder.Flush();
                return Nano.Decode(ids) == repaired && streamed == repaired;
            });

    [Fact]
    public void StreamingAnyBytesEqualsDecodingThem() =>
        // The first 256 ids of the sample vocabulary are the single bytes, in some order: every ill-formed sequence.
        Gen.OneOf(Gen.Int[0, 255], Gen.Int[0, 1535]).Array[0, 12].Sample(ids =>
        {
            StreamDecoder decoder = new(Nano);
            return string.Concat(ids.Select(decoder.Append)) + decoder.Flush() == Nano.Decode(ids);
        });

    [Fact]
    public void FolderAndFilesGiveTheSameTokenizer()
    {
        Llama4Tokenizer model = Llama4Tokenizer.Load(Path.Combine(GoldenFiles.SampleModel, "tokenizer.model"));
        Llama4Tokenizer json = Llama4Tokenizer.Load(Path.Combine(GoldenFiles.SampleModel, "tokenizer.json"));
        Assert.Equal(json.SpecialTokens, model.SpecialTokens);
        Assert.Equal(json.VocabularySize, model.VocabularySize);
        for (int id = 0; id < json.VocabularySize; id++)
        {
            Assert.True(json.BytesOf(id).SequenceEqual(model.BytesOf(id)), $"token {id}");
        }
    }

    [Fact]
    public void FolderWithOnlyTokenizerModelLoads()
    {
        using TemporaryFolder folder = new();
        File.Copy(
            Path.Combine(GoldenFiles.SampleModel, "tokenizer.model"), Path.Combine(folder.Path, "tokenizer.model"));
        Assert.Equal(1536, Llama4Tokenizer.Load(folder.Path).VocabularySize);
    }

    [Fact]
    public void MissingFilesAreNamed()
    {
        using TemporaryFolder folder = new();
        Assert.Contains(
            folder.Path, Assert.Throws<FileNotFoundException>(() => Llama4Tokenizer.Load(folder.Path)).Message);
        Assert.Throws<FileNotFoundException>(() => Llama4Tokenizer.Load(Path.Combine(folder.Path, "x.model")));
        Assert.Throws<FileNotFoundException>(() => Llama4Tokenizer.Load(Path.Combine(folder.Path, "x.json")));
    }

    [Fact]
    public void MergingOneLetterIsNotQuadratic()
    {
        // Counts heap steps, not seconds: n log n grows a little more than twice when n doubles, n² four times.
        byte[][] tokens = [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }), "aa"u8.ToArray(),
            "aaaa"u8.ToArray(), "aaaaaaaa"u8.ToArray()];
        TokenTable table = new(tokens);
        BytePairMerger merger = new(MergeTable.FromRanks(table), [.. Enumerable.Range(0, 256)]);
        long[] steps = new long[3];
        for (int i = 0; i < steps.Length; i++)
        {
            int length = 500_000 << i;
            byte[] piece = new byte[length];
            piece.AsSpan().Fill((byte)'a');
            List<int> ids = [];
            long before = merger.Steps;
            merger.Merge(piece, ids);
            steps[i] = merger.Steps - before;
            Assert.Equal(length / 8, ids.Count);
            Assert.All(ids, id => Assert.Equal(258, id));
        }
        Assert.InRange(steps[0], 1, 500_000L * 2 * 20 * 2);
        Assert.InRange((double)steps[1] / steps[0], 1.8, 2.4);
        Assert.InRange((double)steps[2] / steps[1], 1.8, 2.4);
    }

    [Fact]
    public void TenMegabytesOfOneLetterEncode()
    {
        int[] ids = Nano.Encode(new string('a', 10 << 20));
        Assert.Equal(10 << 20, Nano.Decode(ids).Length);
    }

    [Fact]
    public void MergingEqualsTheDefinition()
    {
        // The plain quadratic definition: again and again the leftmost pair of the lowest rank.
        TokenTable table = new([.. Enumerable.Range(0, Nano.BaseVocabularySize).Select(id => Nano.BytesOf(id).ToArray())]);
        int[] idOfByte = [.. Enumerable.Range(0, 256).Select(value => table.Find([(byte)value]))];
        MergeTable merges = MergeTable.FromRanks(table);
        Gen.String[Gen.Char["aeinorst hGlcu,é"], 1, 40].Sample(text =>
        {
            byte[] piece = Encoding.UTF8.GetBytes(text);
            List<byte[]> parts = [.. piece.Select(value => new[] { value })];
            while (true)
            {
                int best = -1;
                int bestRank = int.MaxValue;
                for (int i = 0; i + 1 < parts.Count; i++)
                {
                    int rank = table.Find([.. parts[i], .. parts[i + 1]]);
                    if (rank >= 0 && rank < bestRank)
                    {
                        (best, bestRank) = (i, rank);
                    }
                }
                if (best < 0)
                {
                    break;
                }
                parts[best] = [.. parts[best], .. parts[best + 1]];
                parts.RemoveAt(best + 1);
            }
            // One per sample: samples run in parallel, and a merger serves one thread.
            List<int> ids = [];
            new BytePairMerger(merges, idOfByte).Merge(piece, ids);
            return ids.SequenceEqual(parts.Select(part => table.Find(part)));
        });
    }

    [Fact]
    public void ReleasedVocabularyLoadsQuickly()
    {
        TokenizerFiles.Released();
        Stopwatch clock = Stopwatch.StartNew();
        Llama4Tokenizer.FromTiktokenModel(TokenizerFiles.FindReleased()!);
        // Under a second on an idle machine; the test allows a busy one.
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 5);
    }
}
