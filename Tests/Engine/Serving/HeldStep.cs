using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Holds one of the steps up, the first unless another one is named.</summary>
internal sealed class HeldStep : IDisposable
{
    private readonly ManualResetEventSlim _isIn = new(), _mayGo = new();
    private readonly StepWatch _watch = new();

    public HeldStep(Llama4Engine engine, int step = 1)
    {
        _watch.OnStep = () =>
        {
            if (_watch.Rows.Count == step)
            {
                _isIn.Set();
                _mayGo.Wait();
            }
        };
        engine.Runner.Observer = _watch;
    }

    public List<int> Rows => _watch.Rows;

    public void WaitUntilIn() => _isIn.Wait();

    public void LetGo() => _mayGo.Set();

    public void Dispose() => LetGo();
}
