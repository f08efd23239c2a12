using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>Keys of a whole model that contradict it, or ask for what no Llama 4 has, are refused under their own names.</summary>
public sealed class GgufKeyTests : IDisposable
{
    private const int Layers = 4;

    private readonly TemporaryFolder _folder = new();
    private readonly NanoGguf _nano = new();

    /// <summary>A key in place of the model's, and what is said of it; nothing: the model opens.</summary>
    public static TheoryData<string, object, string?> Keys => new()
    {
        { "general.type", "model", null },
        { "general.type", "adapter", "general.type: is 'adapter'; a model is needed, with the adapter merged into it." },
        { "general.type", "imatrix", "general.type: is 'imatrix'; a model is needed." },
        { "llama4.rope.scaling.type", "none", null },
        { "llama4.rope.scaling.type", "linear", null },
        { "llama4.rope.scaling.type", "yarn", "llama4.rope.scaling.type: is 'yarn'; a Llama 4 has its scaling in 'rope_freqs.weight'" },
        { "llama4.rope.scaling.type", "longrope", "llama4.rope.scaling.type: is 'longrope'" },
        { "llama4.vocab_size", 7, "llama4.vocab_size: is 7, but 'token_embd.weight' has 1536 rows." },
        { "llama4.vocab_size", 1536, null },
        { "llama4.attention.head_count", new[] { 4, 4, 4, 4 }, null },
        { "llama4.attention.head_count", new[] { 4, 4, 4 }, "llama4.attention.head_count: has 3 entries for 4 layers." },
        { "llama4.attention.head_count_kv", new[] { 2, 2, 2, 2, 2 }, "llama4.attention.head_count_kv: has 5 entries for 4 layers." },
        { "llama4.feed_forward_length", new[] { 512 }, "llama4.feed_forward_length: has 1 entries for 4 layers." },
        { "llama4.attention.head_count_kv", 3, "llama4.attention.head_count_kv: 3 does not divide num_attention_heads 4" },
        { "llama4.expert_used_count", 9, "llama4.expert_used_count: 9 is more than the 4 experts" },
    };

    public void Dispose()
    {
        _nano.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void AreCheckedAgainstTheModel(string key, object value, string? expected)
    {
        string path = _folder.File("nano.gguf");
        GgufWriter file = _nano.Model(without: key);
        (value switch
        {
            string text => file.Text(key, text),
            int[] each => file.Ints(key, each),
            _ => file.UInt(key, (uint)(int)value),
        }).Write(path);
        if (expected is null)
        {
            using Checkpoint opened = Checkpoint.Open(path);
            Assert.Equal(Layers, opened.Config.Text.Layers);
            return;
        }
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path));
        Assert.Equal(path, e.File);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }
}
