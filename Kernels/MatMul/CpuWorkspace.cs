using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>What products on the host share: the threads, and memory for x as a product wants it.</summary>
internal sealed class CpuWorkspace(ThreadTeam team) : IDisposable
{
    private readonly List<CpuScratch> _operands = [new()];
    private readonly List<MatrixMemory> _held = [];
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
        try
        {
            Team.RunCollected();
        }
        finally
        {
            Release();
        }
    }

    /// <summary>Forgets what was launched since the first <see cref="Begin"/>.</summary>
    public void Drop()
    {
        _product = 0;
        Team.Drop();
        Release();
    }

    /// <summary>Keeps a matrix that a product is launched with until its jobs have run, also if it is disposed meanwhile.</summary>
    /// <returns>To be disposed after the launch.</returns>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    public Use Hold(CpuMatrix matrix)
    {
        MatrixMemory memory = matrix.Hold();
        if (!Team.IsCollecting)
        {
            return new Use(memory);
        }
        _held.Add(memory);
        return default;
    }

    public void Dispose() => _operands.ForEach(operand => operand.Dispose());

    private void Release()
    {
        foreach (MatrixMemory memory in _held)
        {
            memory.DangerousRelease();
        }
        _held.Clear();
    }

    /// <summary>A matrix that is kept for a launch.</summary>
    internal readonly ref struct Use(MatrixMemory? memory)
    {
        public void Dispose() => memory?.DangerousRelease();
    }
}
