using Llama4Kernels.Engine.Constraints.Elements;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>One request's way through a <see cref="Machine"/>.</summary>
internal sealed class Matcher : ITokenConstraint
{
    private readonly Machine machine;
    private readonly Llama4Tokenizer tokenizer;
    private readonly ElementTracker elements;
    private MachineState state;

    public Matcher(Machine machine, MachineState state)
        : this(machine, state, new ElementTracker(machine))
    {
    }

    private Matcher(Machine machine, MachineState state, ElementTracker elements)
    {
        this.machine = machine;
        this.state = state;
        this.elements = elements;
        tokenizer = machine.Vocabulary.Tokenizer;
    }

    /// <summary>The machine and where in it this request is.</summary>
    public (Machine Machine, MachineState State) Place => (machine, state);

    public bool MayEnd => state.MayEnd;

    public ReadOnlySpan<int> ForcedTokens => state.Forced ??= ForcedText.TokensOf(machine, state);

    public void Allow(TokenMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        if (mask.Vocabulary != tokenizer.VocabularySize)
        {
            throw new ArgumentException($"A mask of {mask.Vocabulary} tokens for a vocabulary of {tokenizer.VocabularySize}.", nameof(mask));
        }
        machine.MaskOf(state).CopyTo(mask);
        elements.Exclude(state, mask);
    }

    public void Accept(int id)
    {
        MachineState next = (uint)id < (uint)tokenizer.BaseVocabularySize ? elements.Advance(state, tokenizer.BytesOf(id)) : MachineState.Dead;
        if (ReferenceEquals(next, MachineState.Dead))
        {
            throw new InvalidOperationException($"The token {id} may not stand here.");
        }
        state = next;
    }

    public ITokenConstraint Fork() => new Matcher(machine, state, elements.Clone());
}
