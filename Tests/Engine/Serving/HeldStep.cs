using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Holds one of the steps up, the first unless another one is named.</summary>
internal sealed class HeldStep : IDisposable
{
    private readonly ManualResetEventSlim _mayBegin = new(), _isIn = new(), _mayGo = new();
    private readonly StepWatch _watch = new();

    /// <param name="engine">Whose step.</param>
    /// <param name="step">Which, from 1.</param>
    /// <param name="together">The first step waits, too: all that is asked before <see cref="WaitUntilIn"/> is in by the second.</param>
    public HeldStep(Llama4Engine engine, int step = 1, bool together = false)
    {
        _watch.OnStep = () =>
        {
            if (together)
            {
                _mayBegin.Wait();
            }
            if (_watch.Rows.Count == step)
            {
                _isIn.Set();
                _mayGo.Wait();
            }
        };
        engine.Runner.Observer = _watch;
    }

    public List<int> Rows => _watch.Rows;

    public void WaitUntilIn()
    {
        _mayBegin.Set();
        _isIn.Wait();
    }

    public void LetGo()
    {
        _mayBegin.Set();
        _mayGo.Set();
    }

    public void Dispose() => LetGo();
}
