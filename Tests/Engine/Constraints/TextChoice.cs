using System.Text;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>One of some texts, in whatever tokens; the simplest constraint there is, as a yardstick for the generator.</summary>
internal sealed class TextChoice : ITokenConstraint
{
    private readonly Llama4Tokenizer _tokenizer;
    private readonly bool _forces;
    private List<byte[]> _left;
    private int[]? _forced;

    public TextChoice(Llama4Tokenizer tokenizer, bool forces, params string[] texts)
    {
        _tokenizer = tokenizer;
        _forces = forces;
        _left = [.. texts.Select(Encoding.UTF8.GetBytes)];
    }

    public bool MayEnd => _left.Any(text => text.Length == 0);

    /// <summary>What is common to all that is left, as the tokenizer writes it, but for the last token, which may be part of a longer one.</summary>
    public ReadOnlySpan<int> ForcedTokens
    {
        get
        {
            if (!_forces || MayEnd)
            {
                return [];
            }
            return _forced ??= _left is [byte[] only] ? _tokenizer.Encode(Encoding.UTF8.GetString(only)) : [];
        }
    }

    public void Allow(TokenMask mask)
    {
        mask.Clear();
        for (int id = 0; id < _tokenizer.VocabularySize; id++)
        {
            if (!IsSpecial(id) && _left.Any(text => text.AsSpan().StartsWith(_tokenizer.BytesOf(id))))
            {
                mask.Set(id);
            }
        }
    }

    public void Accept(int id)
    {
        byte[] bytes = _tokenizer.BytesOf(id).ToArray();
        List<byte[]> left = IsSpecial(id) ? [] : [.. _left.Where(text => text.AsSpan().StartsWith(bytes)).Select(text => text[bytes.Length..])];
        if (left.Count == 0)
        {
            throw new InvalidOperationException($"Token {id} is not allowed.");
        }
        (_left, _forced) = (left, null);
    }

    public ITokenConstraint Fork() => new TextChoice(_tokenizer, _forces) { _left = _left };

    private bool IsSpecial(int id) => _tokenizer.SpecialTokens.Values.Contains(id);
}
