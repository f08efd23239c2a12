namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>An engine with one loaded model and one sequence, whose work is timed. Disposing it gives the model back.</summary>
internal interface IPeer : IDisposable
{
    /// <summary>Words of the vocabulary.</summary>
    int VocabularySize { get; }

    /// <summary>Empties the sequence and computes a prompt: keys and values of all tokens, logits of the last one.</summary>
    void Prompt(ReadOnlySpan<int> ids);

    /// <summary>Appends one token and computes its logits.</summary>
    void Decode(int id);
}
