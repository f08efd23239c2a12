using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>This engine, as <c>llama4 bench</c> runs it: activations as the weights ask for, a bfloat16 cache.</summary>
internal sealed class EnginePeer : IPeer
{
    private readonly Llama4Model _model;
    private readonly ModelRunner _runner;
    private Sequence? _sequence;

    /// <param name="path">A checkpoint in any form.</param>
    /// <param name="options">Weights and threads.</param>
    /// <param name="context">Most tokens of a sequence.</param>
    public EnginePeer(string path, ModelOptions options, int context)
    {
        _model = Llama4Model.Load(path, options);
        _runner = new ModelRunner(_model, new EngineOptions { MaxContext = context });
    }

    public int VocabularySize => _model.Config.Text.VocabSize;

    public void Prompt(ReadOnlySpan<int> ids)
    {
        _sequence?.Dispose();
        _sequence = _runner.CreateSequence();
        _sequence.Reserve(_runner.MaxContext);
        _runner.Prefill(_sequence, Engine.Chat.Prompt.FromIds(ids.ToArray()), null, CancellationToken.None);
    }

    public void Decode(int id) => _runner.Decode([_sequence ?? throw new InvalidOperationException("There is no prompt yet.")], [id]);

    public void Dispose()
    {
        _sequence?.Dispose();
        _runner.Dispose();
        _model.Dispose();
    }
}
