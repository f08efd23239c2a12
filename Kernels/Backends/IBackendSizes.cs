using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>What a backend would take of its memory, known before there is one.</summary>
public interface IBackendSizes
{
    /// <summary>How many rows it likes in a forward step.</summary>
    StepSizes Steps { get; }

    /// <summary>Bytes of equal matrices, as <see cref="IBackend.PackStack"/> packs them.</summary>
    /// <param name="stacked">The sources of one of them.</param>
    /// <param name="format">The format; null keeps what is stored.</param>
    /// <param name="count">Number of matrices.</param>
    /// <exception cref="ArgumentException">As for <see cref="IBackend.Pack"/>.</exception>
    /// <exception cref="NotSupportedException">The backend has no product for the format.</exception>
    long Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format, int count);

    /// <summary>Bytes of a table that <see cref="IBackend.CreateEmbedding"/> makes.</summary>
    long Embedding(MatrixSource table);

    /// <summary>As <see cref="IBackend.LayoutOf"/>.</summary>
    KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format);

    /// <summary>Bytes that operations put aside in steps.</summary>
    long Scratch(in StepShape step);
}

/// <summary>What the memory that operations need in steps depends on.</summary>
/// <param name="Rows">Most rows of a step.</param>
/// <param name="DecodeRows">Most sequences that are decoded together.</param>
/// <param name="Hidden">Columns of the residual stream, D.</param>
/// <param name="ExpertWidth">Columns between an expert's products, F.</param>
/// <param name="ExpertsPerToken">Experts of a token; 0 without experts.</param>
/// <param name="WidestInner">Most columns of a product's input.</param>
/// <param name="Attention">Heads.</param>
/// <param name="Vocabulary">Logits of a row.</param>
public readonly record struct StepShape(int Rows, int DecodeRows, int Hidden, int ExpertWidth, int ExpertsPerToken, int WidestInner, AttentionShape Attention, int Vocabulary);
