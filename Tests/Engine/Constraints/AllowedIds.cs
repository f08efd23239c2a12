using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>At each place the tokens that a function allows, none of which need be text; the end after so many.</summary>
internal sealed class AllowedIds(Func<int, IEnumerable<int>> allowed, int length) : ITokenConstraint
{
    private int _at;

    public bool MayEnd => _at == length;

    public ReadOnlySpan<int> ForcedTokens => [];

    public void Allow(TokenMask mask)
    {
        mask.Clear();
        foreach (int id in _at < length ? allowed(_at) : [])
        {
            mask.Set(id);
        }
    }

    public void Accept(int id)
    {
        if (_at == length || !allowed(_at).Contains(id))
        {
            throw new InvalidOperationException($"Token {id} is not allowed.");
        }
        _at++;
    }

    public ITokenConstraint Fork() => new AllowedIds(allowed, length) { _at = _at };
}
