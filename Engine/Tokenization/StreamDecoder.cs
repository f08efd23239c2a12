using System.Buffers;
using System.Text;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Decodes tokens as they are generated: holds back the bytes of an unfinished character, and gives U+FFFD for
/// ill-formed bytes as soon as they are known to be ill-formed. All pieces and the flush together are what
/// <see cref="Llama4Tokenizer.Decode"/> gives. One instance serves one stream.
/// </summary>
/// <param name="tokenizer">The tokenizer.</param>
internal sealed class StreamDecoder(Llama4Tokenizer tokenizer)
{
    private readonly byte[] _held = new byte[4];
    private int _heldCount;

    /// <summary>Adds a token.</summary>
    /// <param name="id">Its id.</param>
    /// <returns>The text that is complete now; empty while a character is unfinished.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative or not below the vocabulary size.</exception>
    public string Append(int id)
    {
        ReadOnlySpan<byte> token = tokenizer.BytesOf(id);
        Span<byte> small = stackalloc byte[256];
        Span<byte> bytes = _heldCount + token.Length <= small.Length ? small : new byte[_heldCount + token.Length];
        bytes = bytes[..(_heldCount + token.Length)];
        _held.AsSpan(0, _heldCount).CopyTo(bytes);
        token.CopyTo(bytes[_heldCount..]);

        int complete = bytes.Length - UnfinishedTail(bytes);
        _heldCount = bytes.Length - complete;
        bytes[complete..].CopyTo(_held);
        return Encoding.UTF8.GetString(bytes[..complete]);
    }

    /// <summary>Ends the stream; the decoder can then be used for another.</summary>
    /// <returns>U+FFFD for an unfinished character, else the empty string.</returns>
    public string Flush()
    {
        string rest = Encoding.UTF8.GetString(_held, 0, _heldCount);
        _heldCount = 0;
        return rest;
    }

    /// <summary>How many bytes at the end may still become a character, 0 to 3.</summary>
    private static int UnfinishedTail(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            // An encoded surrogate waits for its third byte, as in the reference decoder, though it cannot end well.
            if (bytes is [0xED, >= 0xA0 and <= 0xBF])
            {
                break;
            }
            if (Rune.DecodeFromUtf8(bytes, out _, out int consumed) == OperationStatus.NeedMoreData)
            {
                break;
            }
            bytes = bytes[consumed..];
        }
        return bytes.Length;
    }
}
