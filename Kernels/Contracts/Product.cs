namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A way to compute products y = x·Wᵀ on one kind of machine: what it takes, and the weights' layout that it reads. Records
/// stand in an ordered list, best first, from which <see cref="ProductList{TProduct, TMachine}"/> chooses.
/// </summary>
/// <typeparam name="TMachine">What a machine has, as far as products depend on it.</typeparam>
/// <param name="Name">The record's name, by which an option forces it.</param>
/// <param name="Operands">What it makes of x.</param>
/// <param name="Reason">When it is taken and why then.</param>
internal abstract record Product<TMachine>(string Name, ActivationPrecision Operands, string Reason)
{
    /// <summary>Layout of the weights.</summary>
    public abstract WeightLayout Layout { get; }

    /// <summary>For experts; otherwise for one matrix.</summary>
    public bool IsGrouped { get; init; }

    /// <summary>Most rows that it is worth taking for; beyond them others follow in the list.</summary>
    public int MostRows { get; init; } = int.MaxValue;

    /// <summary>The weights that it reads, in words.</summary>
    public abstract string Formats { get; }

    /// <summary>Whether it reads weights of a format.</summary>
    public abstract bool Reads(WeightFormat format);

    /// <summary>What a machine lacks for it, in words; null if nothing.</summary>
    public abstract string? Lacks(TMachine machine);

    /// <summary>Why it does not take a product on a machine, whatever its rows; null if it does.</summary>
    public string? WhyNever(in GemmDesc gemm, TMachine machine) =>
        !Reads(gemm.Weights) ? $"reads {Formats} weights"
        : IsGrouped != gemm.Experts > 0 ? IsGrouped ? "is for experts" : "is for one matrix"
        : Operands > gemm.Activations ? $"rounds activations to {Operands}"
        : Lacks(machine);

    /// <summary>Why it does not take a product; null if it does.</summary>
    public string? WhyNot(in GemmDesc gemm, TMachine machine) =>
        WhyNever(gemm, machine) ?? (gemm.Rows > MostRows ? $"is for up to {MostRows} rows" : null);
}
