using System.Text;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>Encodes text without special tokens, piece by piece; keeps its buffers. One instance, one thread.</summary>
internal sealed class PieceEncoder(TokenTable tokens, bool wholePieces, BytePairMerger merger)
{
    private int[] _codePoints = [];
    private int[] _byteOffsets = [];
    private byte[] _bytes = [];

    /// <summary>Appends the ids of a text that is one unit: the splitting pattern sees its ends as ends.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> output)
    {
        int count = Decode(text);
        ReadOnlySpan<int> points = _codePoints.AsSpan(0, count);
        for (int start = 0; start < count;)
        {
            int end = PieceSplitter.Next(points, start);
            ReadOnlySpan<byte> piece = _bytes.AsSpan(_byteOffsets[start].._byteOffsets[end]);
            int whole = wholePieces || piece.Length == 1 ? tokens.Find(piece) : -1;
            if (whole >= 0)
            {
                output.Add(whole);
            }
            else
            {
                merger.Merge(piece, output);
            }
            start = end;
        }
    }

    private int Decode(ReadOnlySpan<char> text)
    {
        if (_codePoints.Length < text.Length)
        {
            int capacity = Math.Max(text.Length, _codePoints.Length * 2);
            _codePoints = new int[capacity];
            _byteOffsets = new int[capacity + 1];
            _bytes = new byte[capacity * 3];
        }
        int count = 0;
        int length = 0;
        while (!text.IsEmpty)
        {
            // A lone surrogate comes out as U+FFFD, one code unit consumed.
            Rune.DecodeFromUtf16(text, out Rune rune, out int consumed);
            _codePoints[count] = rune.Value;
            _byteOffsets[count++] = length;
            length += rune.EncodeToUtf8(_bytes.AsSpan(length));
            text = text[consumed..];
        }
        if (_byteOffsets.Length > 0)
        {
            _byteOffsets[count] = length;
        }
        return count;
    }
}
