using Llama4Kernels.Engine.Constraints.Elements;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>One request's way through a <see cref="Machine"/>.</summary>
internal sealed class Matcher : ITokenConstraint
{
    private readonly Machine _machine;
    private readonly Llama4Tokenizer _tokenizer;
    private readonly ElementTracker _elements;
    private MachineState _state;

    public Matcher(Machine machine, MachineState state)
        : this(machine, state, new ElementTracker(machine))
    {
    }

    private Matcher(Machine machine, MachineState state, ElementTracker elements)
    {
        _machine = machine;
        _state = state;
        _elements = elements;
        _tokenizer = machine.Vocabulary.Tokenizer;
    }

    /// <summary>The machine and where in it this request is.</summary>
    public (Machine Machine, MachineState State) Place => (_machine, _state);

    public bool MayEnd => _state.MayEnd;

    public ReadOnlySpan<int> ForcedTokens => _state.Forced ??= ForcedText.TokensOf(_machine, _state);

    public void Allow(TokenMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        if (mask.Vocabulary != _tokenizer.VocabularySize)
        {
            throw new ArgumentException($"A mask of {mask.Vocabulary} tokens for a vocabulary of {_tokenizer.VocabularySize}.", nameof(mask));
        }
        _machine.MaskOf(_state).CopyTo(mask);
        _elements.Exclude(_state, mask);
    }

    public void Accept(int id)
    {
        MachineState next = (uint)id < (uint)_tokenizer.BaseVocabularySize ? _elements.Advance(_state, id) : MachineState.Dead;
        if (ReferenceEquals(next, MachineState.Dead))
        {
            throw new InvalidOperationException($"The token {id} may not stand here.");
        }
        _state = next;
    }

    public ITokenConstraint Fork() => new Matcher(_machine, _state, _elements.Clone());
}
