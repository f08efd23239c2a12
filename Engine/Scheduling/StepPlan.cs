using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>
/// Runs single steps of a model at lengths that nothing was computed for: for plans of what a backend does in them. What is computed means nothing.
/// It takes a cache for just the sequences of its steps.
/// </summary>
internal sealed class StepPlan : IDisposable
{
    private readonly StepRunner _runner;

    /// <param name="model">The model.</param>
    /// <param name="sequences">Most sequences of a step.</param>
    /// <param name="context">Most tokens of each, those of the step included.</param>
    /// <exception cref="ArgumentException">A number is not positive.</exception>
    public StepPlan(Llama4Model model, int sequences, int context)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sequences);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(context);
        var options = new EngineOptions { MaxLogitRows = Math.Max(sequences, model.Backend.Steps.LogitRows) };
        _runner = new StepRunner(model, options with { CacheBytes = StepRunner.CacheBytes(model, options, context, sequences) });
    }

    /// <summary>A step that decodes a token of each of some sequences of equal length.</summary>
    /// <param name="sequences">How many.</param>
    /// <param name="cached">Tokens that each has cached.</param>
    public void Decode(int sequences, int cached)
    {
        Sequence[] all = [.. Enumerable.Range(0, sequences).Select(_ => _runner.CreateSequence())];
        try
        {
            foreach (Sequence sequence in all)
            {
                sequence.Append(new int[cached + 1]);
                Skip(sequence, cached);
            }
            _runner.Run([.. all.Select(sequence => new StepPart(sequence, 1, 1))]);
        }
        finally
        {
            foreach (Sequence sequence in all)
            {
                sequence.Dispose();
            }
        }
    }

    /// <summary>The steps that bring a prompt into an empty context; the last one gives the logits of the last token.</summary>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="beginning">Told the tokens that are cached and the rows of each step, before it.</param>
    public void Prefill(int tokens, Action<int, int> beginning)
    {
        ArgumentNullException.ThrowIfNull(beginning);
        using Sequence sequence = _runner.CreateSequence();
        sequence.Append(new int[tokens]);
        while (sequence.Pending > 0)
        {
            int rows = sequence.Blocks.RowsBeforeChunkEdge(Math.Min(sequence.Pending, _runner.StepRows));
            beginning(sequence.Length, rows);
            _runner.Run([new StepPart(sequence, rows, rows == sequence.Pending ? 1 : 0)]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _runner.Dispose();

    /// <summary>As if so many tokens had been computed.</summary>
    private static void Skip(Sequence sequence, int tokens)
    {
        while (sequence.Length < tokens)
        {
            int more = sequence.Blocks.RowsBeforeChunkEdge(tokens - sequence.Length);
            sequence.Blocks.Begin(more);
            sequence.Commit(more);
        }
    }
}
