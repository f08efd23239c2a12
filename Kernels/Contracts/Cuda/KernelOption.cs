namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>A kernel that an operation may use: operations have an ordered list of them and take the first that applies.</summary>
/// <param name="Operation">The operation, as <c>IBackend</c> calls it.</param>
/// <param name="Kernel">Its kernel; where a format's suffix follows, ending in an underscore.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Applies">Whether it is taken for this number of rows (or slots of experts).</param>
internal sealed record KernelOption(string Operation, string Kernel, string Reason, Func<int, bool> Applies)
{
    /// <summary>The only kernel of an operation.</summary>
    public static KernelOption Only(string operation, string kernel, string reason) => new(operation, kernel, reason, static _ => true);

    public static KernelOption Choose(KernelOption[] options, int rows)
    {
        foreach (KernelOption option in options)
        {
            if (option.Applies(rows))
            {
                return option;
            }
        }
        throw new InvalidOperationException("The last option must always apply.");
    }
}
