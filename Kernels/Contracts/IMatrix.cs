namespace Llama4Kernels.Kernels.Contracts;

/// <summary>A weight matrix packed for one backend; y = x·Wᵀ. Immutable and safe to use from several passes.</summary>
public interface IMatrix : IDisposable
{
    /// <summary>Output features.</summary>
    int Rows { get; }

    /// <summary>Input features.</summary>
    int Columns { get; }

    /// <summary>What its numbers are stored as.</summary>
    WeightFormat Format { get; }

    /// <summary>How they lie in memory: the layout that was chosen when it was packed.</summary>
    string Layout { get; }

    /// <summary>Bytes the packed matrix occupies, padding included.</summary>
    long Bytes { get; }

    /// <summary>Whether it lies where it was saved, mapped and not copied.</summary>
    bool IsMapped => false;

    /// <summary>Why a matrix that was saved packed had to be packed again, for people; null if it was not.</summary>
    string? PackedAgain => null;
}

/// <summary>An embedding table [vocabulary, hidden], read a row at a time where it lies.</summary>
public interface IEmbedding : IDisposable
{
    /// <summary>Vocabulary size.</summary>
    int Rows { get; }

    /// <summary>Hidden size.</summary>
    int Columns { get; }

    /// <summary>Bytes it occupies, where it lies.</summary>
    long Bytes { get; }
}

/// <summary>The weights of one expert: gate and up stacked [2F, D] (gate rows first), and down [D, F].</summary>
/// <param name="GateUp">Gate and up projection, [2F, D].</param>
/// <param name="Down">Down projection, [D, F].</param>
public sealed record ExpertWeights(IMatrix GateUp, IMatrix Down);
