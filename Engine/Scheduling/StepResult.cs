using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>Tokens of a sequence that go into a step.</summary>
/// <param name="Sequence">Whose; each may stand in a step once.</param>
/// <param name="Rows">How many of its next pending tokens; they must not cross an attention chunk edge.</param>
/// <param name="LogitRows">How many of these, at the end, have their logits wanted.</param>
/// <param name="Rule">How a token may be chosen by each of them where the logits are; null if all logits are needed.</param>
internal readonly record struct StepPart(Sequence Sequence, int Rows, int LogitRows, DrawRule? Rule = null);

/// <summary>What a step computed: per wanted row the logits, and which rows the device chose a token by. Valid until the runner's next step.</summary>
internal readonly struct StepResult
{
    private readonly StepRunner? _runner;
    private readonly long _step;

    public StepResult(StepRunner runner, long step)
    {
        _runner = runner;
        _step = step;
    }

    /// <summary>Logits [V] of a wanted row of a part; may be changed in place.</summary>
    /// <param name="part">Index among the step's parts.</param>
    /// <param name="row">Index among the part's wanted rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part, or the row's logits were not wanted.</exception>
    /// <exception cref="InvalidOperationException">The runner has begun another step.</exception>
    /// <exception cref="ObjectDisposedException">The runner or the model is disposed.</exception>
    public Span<float> Logits(int part, int row = 0) => Runner.Logits(_step, part, row);

    /// <summary>
    /// The token that was chosen by the part's rule where the logits are; null if it is to be taken from <see cref="Logits"/>: the
    /// part has no rule, the backend cannot, the logits are invalid, or they were asked for and may have been changed.
    /// </summary>
    /// <inheritdoc cref="Logits"/>
    public int? Chosen(int part, int row = 0) => Runner.Chosen(_step, part, row);

    private StepRunner Runner => _runner ?? throw new InvalidOperationException("There was no step.");
}
