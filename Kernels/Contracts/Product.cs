namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A way to compute products y = x·Wᵀ on one kind of machine: what it takes, and the weights' layout that it reads. Records
/// stand in an ordered list, best first, from which <see cref="ProductList{TProduct, TMachine}"/> chooses.
/// </summary>
/// <typeparam name="TMachine">What a machine has, as far as products depend on it.</typeparam>
/// <param name="Name">The record's name, by which an option forces it.</param>
/// <param name="Format">Format of the weights; null for all that other tools store and that are kept (<see cref="KeptFormats"/>).</param>
/// <param name="Operands">What it makes of x, unless the weights' format has x quantised.</param>
/// <param name="Reason">When it is taken and why then.</param>
internal abstract record Product<TMachine>(string Name, WeightFormat? Format, ActivationPrecision Operands, string Reason)
{
    /// <summary>What x is multiplied as with weights of a format, in words: codes where it has each row of x quantised, else what <see cref="Operands"/> says.</summary>
    public string MultipliedAs(WeightFormat? weights) => weights is { QuantisesActivations: true } ? $"{weights.Encoding} codes" : Operands.ToString();

    /// <summary>Layout of the weights.</summary>
    public abstract WeightLayout Layout { get; }

    /// <summary>For experts; otherwise for one matrix.</summary>
    public bool IsGrouped { get; init; }

    /// <summary>Most rows that it is worth taking for; beyond them others follow in the list.</summary>
    public int MostRows { get; init; } = int.MaxValue;

    /// <summary>Whether <see cref="MostRows"/> are those of an expert in the mean and not of all experts together.</summary>
    public bool CountsRowsOfExpert { get; init; }

    /// <summary>What the columns of W have to be a multiple of.</summary>
    public int InnerMultiple { get; init; } = 1;

    /// <summary>Outputs up to which it is worth taking for any number of rows.</summary>
    public int FewOutputs { get; init; }

    /// <summary>Outputs that it has to have more than to be worth taking.</summary>
    public int MoreThanOutputs { get; init; }

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
        : gemm.Inner % InnerMultiple != 0 ? $"is for columns in multiples of {InnerMultiple}"
        : Lacks(machine);

    /// <summary>Whether it is worth taking for a product's rows and outputs, if it can be.</summary>
    public bool Pays(in GemmDesc gemm) => gemm.Outputs > MoreThanOutputs
        && ((CountsRowsOfExpert && gemm.Experts > 0 ? (gemm.Rows + gemm.Experts - 1) / gemm.Experts : gemm.Rows) <= MostRows || gemm.Outputs <= FewOutputs);

    /// <summary>Why it does not take a product; null if it does.</summary>
    public string? WhyNot(in GemmDesc gemm, TMachine machine) =>
        WhyNever(gemm, machine) ?? (Pays(gemm) ? null : gemm.Outputs <= MoreThanOutputs ? $"is for more than {MoreThanOutputs} outputs" : $"is for up to {MostRows} rows{(CountsRowsOfExpert ? " an expert" : "")}{(FewOutputs > 0 ? $" or {FewOutputs} outputs" : "")}");
}
