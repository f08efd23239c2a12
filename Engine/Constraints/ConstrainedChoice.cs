namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// One generation's constraint and its mask: what may be chosen next, the model's terminators included. Allocates nothing
/// after it is made. Not thread-safe.
/// </summary>
internal sealed class ConstrainedChoice
{
    private readonly ITokenConstraint _constraint;
    private readonly IReadOnlyList<int> _endTokens;
    private readonly bool _ignoreEnd;
    private readonly TokenMask _mask;
    private int _accepted;
    private bool _isCurrent, _isOver;

    /// <summary>Goes on with a fork of the constraint.</summary>
    /// <param name="constraint">The request's constraint; it is left as it is.</param>
    /// <param name="vocabulary">Tokens of the tokenizer.</param>
    /// <param name="endTokens">Tokens that end an answer.</param>
    /// <param name="ignoreEnd">They are never allowed.</param>
    public ConstrainedChoice(ITokenConstraint constraint, int vocabulary, IReadOnlyList<int> endTokens, bool ignoreEnd)
    {
        _constraint = constraint.Fork();
        _endTokens = endTokens;
        _ignoreEnd = ignoreEnd;
        _mask = new TokenMask(vocabulary);
    }

    /// <summary>Tokens that come next without asking the model.</summary>
    public ReadOnlySpan<int> Forced => _constraint.ForcedTokens;

    /// <summary>Whether the answer is whole and nothing can follow.</summary>
    /// <exception cref="ConstraintDeadEndException">Nothing can follow, but the answer is not whole.</exception>
    public bool IsOver
    {
        get
        {
            // The mask is worth computing only where the answer may end.
            if (_constraint.MayEnd)
            {
                Refresh();
            }
            return _isCurrent && _isOver;
        }
    }

    /// <summary>Whether the token may come next.</summary>
    /// <inheritdoc cref="IsOver" path="/exception"/>
    public bool Allows(int id)
    {
        Refresh();
        return id < _mask.Vocabulary && _mask[id];
    }

    /// <summary>Gives −∞ to the logits of the tokens that may not come next.</summary>
    /// <inheritdoc cref="IsOver" path="/exception"/>
    public void Apply(Span<float> logits)
    {
        Refresh();
        _mask.ApplyTo(logits);
    }

    /// <summary>Takes a token that does not end the answer.</summary>
    /// <exception cref="InvalidOperationException">The constraint does not permit it.</exception>
    public void Accept(int id)
    {
        _constraint.Accept(id);
        _accepted++;
        _isCurrent = false;
    }

    private void Refresh()
    {
        if (_isCurrent)
        {
            return;
        }
        _constraint.Allow(_mask);
        SetEnds(false);
        _isOver = _mask.IsEmpty;
        bool mayEnd = _constraint.MayEnd;
        if (_isOver && !mayEnd)
        {
            throw new ConstraintDeadEndException(_accepted);
        }
        SetEnds(mayEnd && !_ignoreEnd);
        _isCurrent = true;
    }

    private void SetEnds(bool allowed)
    {
        for (int i = 0; i < _endTokens.Count; i++)
        {
            if (allowed)
            {
                _mask.Set(_endTokens[i]);
            }
            else
            {
                _mask.Unset(_endTokens[i]);
            }
        }
    }
}
