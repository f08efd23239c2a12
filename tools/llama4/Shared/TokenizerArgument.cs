using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The tokenizer of a path that names one.</summary>
internal static class TokenizerArgument
{
    /// <summary>Loads the tokenizer of a checkpoint, a GGUF's own included, or of a tokenizer's file.</summary>
    /// <param name="path">A checkpoint folder, a .gguf file, tokenizer.json or tokenizer.model.</param>
    /// <exception cref="ModelFormatException">It is malformed, or the checkpoint has none.</exception>
    /// <exception cref="FileNotFoundException">There is no such file or folder.</exception>
    public static Llama4Tokenizer Load(string path)
    {
        bool isCheckpoint = Directory.Exists(path) ? !Llama4Tokenizer.IsIn(path) : string.Equals(Path.GetExtension(path), ".gguf", StringComparison.OrdinalIgnoreCase);
        if (!isCheckpoint)
        {
            return Llama4Tokenizer.Load(path);
        }
        using Checkpoint checkpoint = Checkpoint.Open(path, vision: false);
        return checkpoint.LoadTokenizer() ?? throw new ModelFormatException(checkpoint.Location, null, "has no tokenizer.");
    }
}
