namespace Llama4Kernels.Engine.Config;

/// <summary>
/// The class that a config.json names. Loading goes by model_type, as in transformers, and derivatives have classes of their own;
/// but a file that names another family's class is another model, whatever else it says.
/// </summary>
internal static class Architectures
{
    private const string Name = "architectures";
    private static readonly char[] s_separators = ['-', '_', ' ', '.'];

    // Families of published models: a class is the family, what begins with a capital, a digit or a sign, and the task.
    private static readonly string[] s_others =
    [
        "AquilaX", "Arcee", "Arctic", "Aya", "Baichuan", "Bamba", "Bart", "Bert", "BitNet", "Bloom", "ChatGLM", "CLIP", "CodeGen", "Cohere", "DBRX", "Deepseek", "Dots",
        "Ernie", "Exaone", "Falcon", "Florence", "Gemma", "GLM", "GPT", "Granite", "Grok", "Helium", "HunYuan", "Hymba", "Idefics", "InternLM", "InternVL", "Jais", "Jamba",
        "Kimi", "Lfm", "Llama", "Llava", "Mamba", "MiniCPM", "MiniMax", "Ministral", "Mistral", "Mixtral", "Mllama", "Molmo", "Moshi", "MPT", "Nemotron", "Olmo", "Olmoe",
        "OPT", "Orion", "Ovis", "PaliGemma", "Persimmon", "Phi", "Phimoe", "Pixtral", "Plamo", "Qwen", "RecurrentGemma", "Roberta", "Rwkv", "Seed", "Smol", "SmolLM", "SmolVLM",
        "Solar", "StableLm", "Starcoder", "T5", "MT5", "Voxtral", "Whisper", "XGLM", "XLNet", "XVERSE", "Yi", "Zamba",
    ];

    /// <summary>Checks what the file names; nothing, null and an empty list are as good as a Llama 4.</summary>
    /// <exception cref="ModelFormatException">It names another family's class and none of a Llama 4, or holds something else than names.</exception>
    public static void Check(JsonFields root)
    {
        string[] names = root.Texts(Name, orSingle: true) ?? [];
        if (!Array.Exists(names, IsLlama4) && Array.Find(names, IsOther) is string other)
        {
            throw root.Fault(Name, $"names '{other}', which is another model; this engine runs Llama 4 (Llama4ForConditionalGeneration, Llama4ForCausalLM). If the weights are a Llama 4's all the same, correct the name.");
        }
    }

    private static bool IsLlama4(string name) =>
        string.Concat(name.Split(s_separators)).Contains("llama4", StringComparison.OrdinalIgnoreCase);

    private static bool IsOther(string name) => Array.Exists(s_others, family =>
        name.StartsWith(family, StringComparison.OrdinalIgnoreCase) && (name.Length == family.Length || !char.IsLower(name[family.Length])));
}
