using System.Buffers.Binary;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>Vision projector files that are broken, of something else, or do not fit the model: each is refused by the file, the key or tensor, and the reason.</summary>
public sealed class DamagedProjectorTests : IDisposable
{
    private const uint F32 = 0, Q8_0 = 8, I32 = 26;
    private const string Vision = "clip.vision.", Query = "v.blk.1.attn_q.weight", Head = "mm.model.fc.weight";
    private const long MostAllocated = 64 << 20;

    private static readonly Dictionary<string, (Func<NanoGguf, byte[]> Make, string Expected)> s_damages = new()
    {
        ["empty"] = (_ => [], ": is no GGUF file: it does not begin with 'GGUF'."),
        ["magic alone"] = (_ => [.. "GGUF"u8], "version: "),
        ["a web page"] = (_ => [.. "<!DOCTYPE html><html>"u8], ": is "),
        ["a pointer of Git LFS"] = (_ => [.. "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"u8], "Git LFS"),
        ["a zip archive"] = (_ => [(byte)'P', (byte)'K', 3, 4, .. new byte[60]], "it is a zip archive"),
        ["cut in the keys"] = (nano => nano.Projector().ToArray()[..300], "cannot hold so many."),
        ["cut in the tensor table"] = (nano => nano.Projector().ToArray()[..2000], "more than the file has: it is truncated, or the shape is wrong."),
        ["cut in the data"] = (nano => nano.Projector().ToArray()[..^200_000], "it is truncated"),
        ["cut by one byte"] = (nano => nano.Projector().ToArray()[..^33], "it is truncated"),
        ["version 1"] = (nano => At(nano, 4, 1), "version: is 1; 2 and 3 are supported. Convert the model anew."),
        ["big-endian"] = (nano => At(nano, 4, 3 << 24), "big-endian"),
        ["2^60 tensors"] = (nano => At(nano, 12, 1 << 28), "tensor count: is "),
        ["2^60 keys"] = (nano => At(nano, 20, 1 << 28), "metadata count: is "),
        ["a tensor too many"] = (nano => Changed(nano, file => file.TensorCount = 61), ": "),
        ["a key twice"] = (nano => nano.Projector().Bool("clip.use_gelu", true).ToArray(), "clip.use_gelu: is given twice."),
        ["an endless array"] = (nano => nano.Projector().Raw("x", 9, [6, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 15]).ToArray(), "passes the end of the file"),
        ["an endless text"] = (nano => nano.Projector().Raw("x", 8, [255, 255, 255, 255, 255, 255, 255, 15]).ToArray(), "x: "),
        ["a value of no type"] = (nano => nano.Projector().Raw("x", 77, 0).ToArray(), "x: "),

        ["a text model"] = (nano => nano.Model().ToArray(), "general.architecture: is 'llama4'; a vision projector's is 'clip'."),
        ["no architecture"] = (nano => nano.Projector(without: "general.architecture").ToArray(), "general.architecture: is '(absent)'"),
        ["another architecture"] = (nano => Key(nano, "general.architecture", (file, key) => file.Text(key, "qwen2vl")), "is 'qwen2vl'; a vision projector's is 'clip'."),
        ["architecture as a number"] = (nano => Key(nano, "general.architecture", (file, key) => file.UInt(key, 4)), "general.architecture: is UInt32; String is needed."),
        ["of another model"] = (nano => Key(nano, "clip.projector_type", (file, key) => file.Text(key, "mlp")), "clip.projector_type: is 'mlp'; a Llama 4 projector's is 'llama4'."),
        ["of no model"] = (nano => nano.Projector(without: "clip.projector_type").ToArray(), "clip.projector_type: is '(absent)'"),
        ["no GELU"] = (nano => Key(nano, "clip.use_gelu", (file, key) => file.Bool(key, false)), "clip.use_gelu: is false"),
        ["other means"] = (nano => Key(nano, Vision + "image_mean", (file, key) => file.Floats(key, [0.48f, 0.46f, 0.41f])), "image_mean: only [0.5, 0.5, 0.5] is supported."),
        ["a mean of NaN"] = (nano => Key(nano, Vision + "image_mean", (file, key) => file.Floats(key, [0.5f, float.NaN, 0.5f])), "image_mean: only"),
        ["two deviations"] = (nano => Key(nano, Vision + "image_std", (file, key) => file.Floats(key, [0.5f, 0.5f])), "image_std: only"),
        ["an epsilon of NaN"] = (nano => Key(nano, Vision + "attention.layer_norm_epsilon", (file, key) => file.Float(key, float.NaN)), "layer_norm_epsilon: must be a finite number above 0, is NaN."),
        ["an endless epsilon"] = (nano => Key(nano, Vision + "attention.layer_norm_epsilon", (file, key) => file.Float(key, float.PositiveInfinity)), "layer_norm_epsilon: must be a finite number"),
        ["an epsilon of 3"] = (nano => Key(nano, Vision + "attention.layer_norm_epsilon", (file, key) => file.Float(key, 3)), "clip.vision.attention.layer_norm_epsilon: must be above 0 and at most 1"),
        ["no scale factor's value"] = (nano => Number(nano, "projector.scale_factor", 0), "scale_factor: must be within 1 and 1024, is 0."),
        ["a shuffle by 3"] = (nano => Number(nano, "projector.scale_factor", 3), "clip.vision.projector.scale_factor: "),
        ["no block count"] = (nano => nano.Projector(without: Vision + "block_count").ToArray(), "clip.vision.block_count: is missing."),
        ["0 blocks"] = (nano => Number(nano, "block_count", 0), "block_count: must be within 1 and 4096, is 0."),
        ["2^32 - 1 blocks"] = (nano => Number(nano, "block_count", uint.MaxValue), "block_count: must be within 1 and 4096"),
        ["a block more than stored"] = (nano => Number(nano, "block_count", 4), "v.blk.3.attn_q.weight [mmproj.gguf]: missing, expected [176, 176]."),
        ["a block fewer than stored"] = (nano => Number(nano, "block_count", 2), "v.blk.2.attn_q.weight [mmproj.gguf]: the model of this configuration has no such tensor"),
        ["another width"] = (nano => Number(nano, "embedding_length", 352), "feed_forward_length: 704 must be 4"),
        ["another inner width"] = (nano => Number(nano, "feed_forward_length", 352), "clip.vision.feed_forward_length: 352 must be 4"),
        ["heads that do not divide"] = (nano => Number(nano, "attention.head_count", 3), "clip.vision.attention.head_count: 3 heads do not split"),
        ["0 heads"] = (nano => Number(nano, "attention.head_count", 0), "attention.head_count: must be within 1"),
        ["an image that patches do not fill"] = (nano => Number(nano, "image_size", 113), "clip.vision.patch_size: 14 does not divide image_size 113"),
        ["a larger image than positions"] = (nano => Number(nano, "image_size", 140), "v.position_embd.weight [mmproj.gguf]: has shape [65, 176], expected [101, 176]."),
        ["patches of 0"] = (nano => Number(nano, "patch_size", 0), "patch_size: must be within 1 and 1024, is 0."),

        ["no class embedding"] = (nano => nano.Projector().Without("v.class_embd").ToArray(), "v.class_embd [mmproj.gguf]: missing, expected [176]."),
        ["no bias"] = (nano => nano.Projector().Without("v.blk.1.ffn_up.bias").ToArray(), "v.blk.1.ffn_up.bias [mmproj.gguf]: missing, expected [704]."),
        ["no adapter"] = (nano => nano.Projector().Without("mm.model.mlp.2.weight").ToArray(), "mm.model.mlp.2.weight: is missing."),
        ["no projection"] = (nano => nano.Projector().Without(Head).ToArray(), "mm.model.fc.weight [mmproj.gguf]: missing, expected [256, 256]."),
        ["no tensors"] = (_ => new GgufWriter().Text("general.architecture", "clip").Text("clip.projector_type", "llama4").ToArray(), "is missing."),
        ["a tensor more"] = (nano => nano.Projector().Tensor("v.blk.0.gate.weight", F32, [4], new byte[16]).ToArray(), "v.blk.0.gate.weight [mmproj.gguf]: the model of this configuration has no such tensor (F32 [4])."),
        ["a tensor of the model"] = (nano => nano.Projector().Tensor("output_norm.weight", F32, [256], new byte[1024]).ToArray(), "output_norm.weight: is in 'nano.gguf' already."),
        ["a tensor twice"] = (nano => nano.Projector().Tensor("v.class_embd", F32, [176], new byte[704]).ToArray(), "v.class_embd: is in 'mmproj.gguf' already."),
        ["for a wider model"] = (nano => nano.Projector().Instead(Head, extents: [256, 320], data: new byte[256 * 320 * 2]).ToArray(), "mm.model.fc.weight [mmproj.gguf]: has shape [320, 256], expected [256, 256]."),
        ["a matrix the other way"] = (nano => nano.Projector().Instead("v.patch_embd.weight", extents: [176, 588]).ToArray(), "v.patch_embd.weight [mmproj.gguf]: has shape [588, 176], expected [176, 588]."),
        ["a vector as a matrix"] = (nano => nano.Projector().Instead("v.pre_ln.bias", extents: [176, 1]).ToArray(), "v.pre_ln.bias [mmproj.gguf]: has shape [1, 176], expected [176]."),
        ["whole numbers"] = (nano => nano.Projector().Instead("v.class_embd", type: I32).ToArray(), "v.class_embd [mmproj.gguf]: is I32, expected F32, BF16 or F16."),
        ["rows that are no blocks"] = (nano => nano.Projector().Instead(Query, type: Q8_0).ToArray(), "v.blk.1.attn_q.weight: has rows of 176 elements, which are no whole blocks of Q8_0"),
        ["a type of no number"] = (nano => nano.Projector().Instead(Query, type: 99).ToArray(), "v.blk.1.attn_q.weight: has the element type 99"),
        ["five dimensions"] = (nano => nano.Projector().Instead(Query, extents: [176, 176, 1, 1, 1]).ToArray(), "v.blk.1.attn_q.weight: has 5 dimensions"),
        ["a dimension of 0"] = (nano => nano.Projector().Instead(Query, extents: [176, 0]).ToArray(), "v.blk.1.attn_q.weight: has a dimension of 0 elements."),
        ["2^60 rows"] = (nano => nano.Projector().Instead(Query, extents: [176, 1UL << 60]).ToArray(), "v.blk.1.attn_q.weight: "),
        ["data that overlap"] = (nano => nano.Projector().Instead(Query, offset: 0).ToArray(), "v.blk.1.attn_q.weight: begins at 0 of the data"),
        ["data beyond the end"] = (nano => nano.Projector().Instead(Query, offset: 1UL << 62).ToArray(), "v.blk.1.attn_q.weight: begins at 4611686018427387904"),
    };

    private readonly TemporaryFolder _folder = new();
    private readonly NanoGguf _nano = new();

    public static TheoryData<string> Damages => [.. s_damages.Keys];

    public void Dispose()
    {
        _nano.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public void ADamagedProjectorIsRefusedByFileKeyAndReason(string damage)
    {
        string model = Write("nano.gguf", _nano.Model());
        (Func<NanoGguf, byte[]> make, string expected) = s_damages[damage];
        string projector = _folder.Write("mmproj.gguf", make(_nano));
        long before = GC.GetAllocatedBytesForCurrentThread();
        // Named, and found beside the model.
        foreach (string? named in (string?[])[projector, null])
        {
            ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(model, projector: named));
            Assert.Contains(expected, e.Message, StringComparison.Ordinal);
            Assert.Contains("mmproj.gguf", e.Message, StringComparison.Ordinal);
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocated);
        // Without the tower the model loads, whatever lies beside it.
        Checkpoint.Open(model, vision: false).Dispose();
    }

    [Fact]
    public void ManyKindsAreTried() => Assert.InRange(s_damages.Count, 40, 200);

    [Fact]
    public void OfTwoProjectorsTheFinerIsTakenUnlessOneIsNamed()
    {
        string model = Write("nano.gguf", _nano.Model());
        string half = Write("mmproj-nano-f16.gguf", _nano.Projector());
        string finer = _folder.Write("mmproj-nano-bf16.gguf", "broken");
        Assert.Equal(finer, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(model)).File);
        using (Checkpoint checkpoint = Checkpoint.Open(model, projector: half))
        {
            Assert.True(checkpoint.HasVision);
        }
        Write("mmproj-nano-bf16.gguf", _nano.Projector(convolution: true));
        using Checkpoint found = Checkpoint.Open(model);
        Assert.Contains(found.Tensors, tensor => tensor.File == finer);
        Assert.DoesNotContain(found.Tensors, tensor => tensor.File == half);
    }

    [Fact]
    public void WhatIsNoFileOrTheModelItselfIsNamed()
    {
        string model = Write("nano.gguf", _nano.Model()), projector = Write("mmproj.gguf", _nano.Projector());
        Refused("no.gguf", "does not exist", model, _folder.File("no.gguf"));
        Refused(_folder.Path, "", model, _folder.Path);
        Refused("nano.gguf", "is the model itself; a vision projector is another file.", model, model);
        Refused("mmproj.gguf", "general.architecture: is 'clip': this is a vision projector. Give the model's file, and this one with --mmproj.", projector, null);
        Refused("nano.gguf", "general.architecture: is 'llama4'; a vision projector's is 'clip'.", projector, model);

        static void Refused(string file, string reason, string path, string? named)
        {
            ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path, projector: named));
            Assert.EndsWith(file, e.File, StringComparison.Ordinal);
            Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        }
    }

    private static byte[] Key(NanoGguf nano, string key, Action<GgufWriter, string> write) => Changed(nano, file => write(file, key), key);

    private static byte[] Number(NanoGguf nano, string key, uint value) => Key(nano, Vision + key, (file, name) => file.UInt(name, value));

    private static byte[] Changed(NanoGguf nano, Action<GgufWriter> change, string? without = null)
    {
        GgufWriter file = nano.Projector(without: without);
        change(file);
        return file.ToArray();
    }

    private static byte[] At(NanoGguf nano, int offset, int value)
    {
        byte[] file = nano.Projector().ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(offset), value);
        return file;
    }

    private string Write(string name, GgufWriter file)
    {
        file.Write(_folder.File(name));
        return _folder.File(name);
    }
}
