namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>A way of doing an operation on a device.</summary>
/// <typeparam name="TCase">What the choice depends on.</typeparam>
/// <typeparam name="TLaunch">Puts the launches into a queue.</typeparam>
/// <param name="Kernel">Name of the kernel, also the record's.</param>
/// <param name="WhyNot">Why it does not take a case, for people; null if it does.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Launch">Its launches.</param>
internal sealed record KernelRecord<TCase, TLaunch>(string Kernel, Func<TCase, string?> WhyNot, string Reason, TLaunch Launch)
    where TLaunch : Delegate;

/// <summary>The ordered list of ways, best first: the first that takes a case does it.</summary>
/// <param name="operation">The operation, as <c>IBackend</c> calls it.</param>
/// <param name="all">The records.</param>
internal sealed class KernelRecords<TCase, TLaunch>(string operation, params KernelRecord<TCase, TLaunch>[] all)
    where TLaunch : Delegate
{
    public string Operation => operation;

    public IReadOnlyList<KernelRecord<TCase, TLaunch>> All => all;

    /// <summary>The records, for reports.</summary>
    public KernelOption[] Options => [.. all.Select(record => new KernelOption(operation, record.Kernel, record.Reason))];

    /// <summary>The record that does a case.</summary>
    /// <exception cref="NotSupportedException">None takes it; the message has each one's reason.</exception>
    public KernelRecord<TCase, TLaunch> Choose(in TCase what)
    {
        foreach (KernelRecord<TCase, TLaunch> record in all)
        {
            if (record.WhyNot(what) is null)
            {
                return record;
            }
        }
        throw new NotSupportedException($"No kernel does {operation} of {what}: {string.Join("; ", Passed(what))}.");
    }

    /// <summary>The records before the one that is taken, each with why it was passed by.</summary>
    public string[] Passed(TCase what) =>
        [.. all.Select(record => (record.Kernel, WhyNot: record.WhyNot(what))).TakeWhile(record => record.WhyNot is not null).Select(record => $"{record.Kernel} {record.WhyNot}")];
}
