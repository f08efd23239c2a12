using System.Collections.Frozen;
using System.Text;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Llama 4's tokenizer: splits text by the o200k pattern, merges each piece's UTF-8 bytes, and knows the special
/// tokens, whose ids follow the ordinary ones. Immutable; any number of threads may use one instance.
/// </summary>
public sealed class Llama4Tokenizer
{
    /// <summary>The name of Hugging Face's file in a model's folder.</summary>
    internal const string JsonName = "tokenizer.json";

    /// <summary>The name of Meta's file in a model's folder.</summary>
    internal const string TiktokenName = "tokenizer.model";

    private readonly TokenTable _tokens;
    private readonly MergeTable _merges;
    private readonly bool _wholePieces;
    private readonly int[] _idOfByte = new int[256];
    private readonly FrozenDictionary<int, byte[]> _addedBytes;
    private readonly FrozenDictionary<string, int> _specials;
    private readonly FrozenSet<int> _specialIds;
    private readonly AddedTokenFinder _verbatim;
    private readonly AddedTokenFinder _normalized;
    private int _decodable;

    /// <summary>Joins the parts that a loader has read.</summary>
    /// <param name="file">The file, for errors.</param>
    /// <param name="tokens">Ordinary tokens; the ids of added ones among them are empty.</param>
    /// <param name="merges">Merges over them.</param>
    /// <param name="wholePieces">Whether a piece that is a token is taken without merging.</param>
    /// <param name="added">Tokens found by their spelling: the special ones, and others.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A single byte has no token, or begin_of_text is missing.</exception>
    internal Llama4Tokenizer(
        string file, TokenTable tokens, MergeTable merges, bool wholePieces, IReadOnlyList<AddedToken> added)
    {
        _tokens = tokens;
        _merges = merges;
        _wholePieces = wholePieces;
        for (int value = 0; value < 256; value++)
        {
            _idOfByte[value] = tokens.Find([(byte)value]);
            if (_idOfByte[value] < 0)
            {
                throw new ModelFormatException(
                    file, null, $"the byte 0x{value:X2} has no token; a byte-level vocabulary holds all 256.");
            }
        }
        _addedBytes = added.ToFrozenDictionary(token => token.Id, token => Encoding.UTF8.GetBytes(token.Content));
        _specials = added.Where(token => token.IsSpecial).ToFrozenDictionary(token => token.Content, token => token.Id, StringComparer.Ordinal);
        _specialIds = _specials.Values.ToFrozenSet();
        _verbatim = new AddedTokenFinder([.. added.Where(token => !token.IsNormalized)]);
        _normalized = new AddedTokenFinder([.. added.Where(token => token.IsNormalized)]);
        VocabularySize = Math.Max(tokens.Count, added.Select(token => token.Id + 1).DefaultIfEmpty().Max());
        _decodable = VocabularySize;
        if (!_specials.TryGetValue(Llama4SpecialTokens.BeginOfText, out int bos))
        {
            throw new ModelFormatException(
                file, Llama4SpecialTokens.BeginOfText, "the special token is missing; this is no Llama 4 tokenizer.");
        }
        BosId = bos;
    }

    /// <summary>All tokens together: ids are 0…VocabularySize-1. Ids that no token has decode to nothing.</summary>
    public int VocabularySize { get; }

    /// <summary>Ordinary tokens: their ids are below this, except those of tokens added to an older file's vocabulary.</summary>
    public int BaseVocabularySize => _tokens.Count;

    /// <summary>The id of <c>&lt;|begin_of_text|&gt;</c>.</summary>
    public int BosId { get; }

    /// <summary>Ids of the special tokens by name, brackets included.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens => _specials;

    /// <summary>
    /// The same tokenizer for a model with a larger vocabulary, whose embedding was padded: the ids beyond the tokens decode to
    /// nothing.
    /// </summary>
    /// <param name="vocabulary">The model's vocabulary; a smaller one changes nothing.</param>
    /// <returns>The tokenizer.</returns>
    internal Llama4Tokenizer PaddedTo(int vocabulary)
    {
        if (vocabulary <= _decodable)
        {
            return this;
        }
        Llama4Tokenizer padded = (Llama4Tokenizer)MemberwiseClone();
        padded._decodable = vocabulary;
        return padded;
    }

    /// <summary>Whether a folder has a tokenizer.json or a tokenizer.model.</summary>
    /// <param name="folder">The folder.</param>
    internal static bool IsIn(string folder) => File.Exists(Path.Combine(folder, JsonName)) || File.Exists(Path.Combine(folder, TiktokenName));

    /// <summary>Loads a tokenizer from a model's folder or from one of its files.</summary>
    /// <param name="path">
    /// A folder (its <c>tokenizer.json</c>, else its <c>tokenizer.model</c>), or such a file, told apart by the
    /// extension <c>.json</c>.
    /// </param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="FileNotFoundException">There is no such file or folder, or the folder has neither file.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: The file is malformed or not a Llama 4 tokenizer.</exception>
    public static Llama4Tokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            string json = Path.Combine(path, JsonName);
            string model = Path.Combine(path, TiktokenName);
            return File.Exists(json) ? FromTokenizerJson(json)
                : File.Exists(model) ? FromTiktokenModel(model)
                : throw new FileNotFoundException(
                    $"{path} holds neither tokenizer.json nor tokenizer.model.", json);
        }
        return string.Equals(Path.GetExtension(path), ".json", StringComparison.OrdinalIgnoreCase)
            ? FromTokenizerJson(path)
            : FromTiktokenModel(path);
    }

    /// <summary>
    /// Reads Meta's <c>tokenizer.model</c>: lines of base64 bytes, a blank and the rank. Special tokens are not in
    /// the file; they take the ids after the last rank, in Llama 4's order: all 2,048 after 200,000 ranks, the
    /// first 93 (up to the image patch) after fewer.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A line is malformed, or ranks or bytes repeat or are missing.</exception>
    public static Llama4Tokenizer FromTiktokenModel(string path) => TiktokenModelFile.Load(path);

    /// <summary>
    /// Reads Hugging Face's <c>tokenizer.json</c>: a byte-level BPE with the o200k pattern. Its added tokens are the
    /// special tokens and, not marked as special, words that are found in every text; whatever it says about prepending a
    /// token is left to the caller.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: The file is malformed or asks for something else than that.</exception>
    public static Llama4Tokenizer FromTokenizerJson(string path) => TokenizerJsonFile.Load(path);

    /// <summary>The id of a special token.</summary>
    /// <param name="name">Its name, brackets included.</param>
    /// <param name="id">The id, or 0 if there is no such token.</param>
    /// <returns>Whether the tokenizer has it.</returns>
    public bool TryGetSpecial(string name, out int id) => _specials.TryGetValue(name, out id);

    /// <summary>Whether an id is a special token's.</summary>
    /// <param name="id">Any number.</param>
    /// <returns>False also for ids outside the vocabulary.</returns>
    public bool IsSpecial(int id) => _specialIds.Contains(id);

    /// <summary>Turns text into token ids. Every text is legal; names of special tokens are ordinary text; a lone surrogate counts as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <param name="bos">Whether to begin with <c>&lt;|begin_of_text|&gt;</c>.</param>
    /// <param name="eos">Whether to end with <c>&lt;|end_of_text|&gt;</c>.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="ArgumentException">eos is asked for, and the tokenizer has no such token.</exception>
    public int[] Encode(string text, bool bos = false, bool eos = false) => Encode(text, AllowedSpecials.None, bos, eos);

    /// <summary>As the other overload, with special tokens that are recognised in the text. Added tokens that are not special always are.</summary>
    internal int[] Encode(string text, AllowedSpecials? allowed, bool bos = false, bool eos = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> output = new((text.Length / 3) + 2);
        if (bos)
        {
            output.Add(BosId);
        }
        EncodeInto(text, output, allowed);
        if (eos)
        {
            output.Add(_specials.TryGetValue(Llama4SpecialTokens.EndOfText, out int id)
                ? id
                : throw new ArgumentException("The tokenizer has no end_of_text token.", nameof(eos)));
        }
        return [.. output];
    }

    /// <summary>The text of a token sequence; special tokens stand as their names, ill-formed UTF-8 as U+FFFD.</summary>
    /// <param name="ids">The ids.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is negative or not below the vocabulary size.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        int length = 0;
        foreach (int id in ids)
        {
            length = checked(length + BytesOf(id).Length);
        }
        byte[] bytes = new byte[length];
        int at = 0;
        foreach (int id in ids)
        {
            ReadOnlySpan<byte> token = BytesOf(id);
            token.CopyTo(bytes.AsSpan(at));
            at += token.Length;
        }
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>The bytes of a token, which may be part of a character; the name of a special token.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The bytes, valid as long as the tokenizer.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative or not below the vocabulary size.</exception>
    public ReadOnlySpan<byte> BytesOf(int id)
    {
        if ((uint)id >= (uint)_decodable)
        {
            throw new ArgumentOutOfRangeException(
                nameof(id), id, $"Token ids are 0 to {_decodable - 1} in this vocabulary.");
        }
        return id < _tokens.Count && _tokens[id].Length > 0 ? _tokens[id]
            : _addedBytes.TryGetValue(id, out byte[]? bytes) ? bytes
            : [];
    }

    /// <summary>Appends the ids of a text, as <c>Encode</c> makes them.</summary>
    internal void EncodeInto(string text, List<int> output, AllowedSpecials? allowed = null)
    {
        AllowedSpecials set = allowed ?? AllowedSpecials.None;
        PieceEncoder encoder = new(_tokens, _wholePieces, new BytePairMerger(_merges, _idOfByte));
        foreach (Range slice in new TextSlices(text))
        {
            // The cuts come first: an added token that lies across one is ordinary text.
            EncodeSlice(text.AsSpan(slice), [_verbatim, _normalized], set, encoder, output);
        }
    }

    /// <summary>Takes the first finder's tokens out of the text and leaves what is between them to the other finders.</summary>
    private static void EncodeSlice(ReadOnlySpan<char> text, ReadOnlySpan<AddedTokenFinder> finders, AllowedSpecials allowed, PieceEncoder encoder, List<int> output)
    {
        if (finders.IsEmpty)
        {
            encoder.Encode(text, output);
            return;
        }
        int done = 0;
        bool looks = !finders[0].IsEmpty && (finders[0].HasPlain || !allowed.IsEmpty);
        while (looks && finders[0].Find(text, done, allowed) is (var start, > 0 and var length, var id))
        {
            EncodeSlice(text[done..start], finders[1..], allowed, encoder, output);
            output.Add(id);
            done = start + length;
        }
        EncodeSlice(text[done..], finders[1..], allowed, encoder, output);
    }
}
