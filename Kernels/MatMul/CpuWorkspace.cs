using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>What products on the host share: the threads, and memory for x as a product wants it.</summary>
internal sealed class CpuWorkspace(ThreadTeam team) : IDisposable
{
    private readonly List<CpuScratch> _operands = [new()];
    private int _product;

    /// <summary>Shares the panels out.</summary>
    public ProductTeam Team { get; } = new(team);

    /// <summary>Holds x of the product that is launched, until its jobs have run.</summary>
    public CpuScratch Operand => _operands[_product];

    /// <summary>The next launch is that of one of several products whose jobs run beside each other.</summary>
    /// <param name="product">Which, from 0 on.</param>
    public void Begin(int product)
    {
        while (_operands.Count <= product)
        {
            _operands.Add(new CpuScratch());
        }
        _product = product;
        Team.Collect();
    }

    /// <summary>Runs what was launched since the first <see cref="Begin"/>.</summary>
    public void RunCollected()
    {
        _product = 0;
        Team.RunCollected();
    }

    /// <summary>Forgets what was launched since the first <see cref="Begin"/>.</summary>
    public void Drop()
    {
        _product = 0;
        Team.Drop();
    }

    public void Dispose() => _operands.ForEach(operand => operand.Dispose());
}
