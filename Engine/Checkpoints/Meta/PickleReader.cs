using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Llama4Kernels.Engine.Checkpoints.Meta;

/// <summary>
/// Reads the pickle of a checkpoint: a dictionary of tensors. A pickle is a program; this reader knows only the few
/// instructions and names that such a dictionary needs, builds values of its own from them, calls nothing, and refuses all
/// else. What it keeps is bounded by the stream's own bytes.
/// </summary>
internal ref struct PickleReader
{
    /// <summary>Bytes of a pickle at most: the largest model's has well under a megabyte.</summary>
    public const int MaxBytes = 64 << 20;

    private static readonly object s_mark = new();

    private readonly string _file;
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _position;

    private PickleReader(string file, ReadOnlySpan<byte> bytes)
    {
        _file = file;
        _bytes = bytes;
    }

    /// <summary>The dictionary.</summary>
    /// <param name="file">The file, for errors.</param>
    /// <param name="bytes">The pickle.</param>
    /// <exception cref="ModelFormatException">The stream is cut, or does anything else than describe tensors.</exception>
    public static PickleDictionary Read(string file, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxBytes)
        {
            throw new ModelFormatException(file, "data.pkl", $"has {bytes.Length} bytes; the limit is {MaxBytes}.");
        }
        var reader = new PickleReader(file, bytes);
        while (reader.Step())
        {
        }
        return reader._stack is [PickleDictionary root] ? root : throw reader.Fault("is not one dictionary of tensors.");
    }

    private bool Step()
    {
        int at = _position;
        byte code = Take(1)[0];
        switch (code)
        {
            case 0x80: // PROTO
                if (Take(1)[0] is not 2 and var protocol)
                {
                    throw Fault($"is of protocol {protocol}; torch.save writes 2.");
                }
                break;
            case (byte)'.': // STOP
                return false;
            case (byte)'(': // MARK
                _stack.Add(s_mark);
                break;
            case (byte)'N': // NONE
                _stack.Add(null);
                break;
            case 0x88: // NEWTRUE
            case 0x89: // NEWFALSE
                _stack.Add(code == 0x88);
                break;
            case (byte)'K': // BININT1
                _stack.Add((long)Take(1)[0]);
                break;
            case (byte)'M': // BININT2
                _stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                break;
            case (byte)'J': // BININT
                _stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                break;
            case 0x8a: // LONG1
                _stack.Add(ReadLong(Take(Take(1)[0])));
                break;
            case (byte)'X': // BINUNICODE
                _stack.Add(ReadText());
                break;
            case (byte)'q': // BINPUT
                Remember(Take(1)[0]);
                break;
            case (byte)'r': // LONG_BINPUT
                Remember(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case (byte)'h': // BINGET
                Recall(Take(1)[0]);
                break;
            case (byte)'j': // LONG_BINGET
                Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            case (byte)'}': // EMPTY_DICT
                _stack.Add(new PickleDictionary());
                break;
            case (byte)')': // EMPTY_TUPLE
                _stack.Add(new PickleTuple([]));
                break;
            case 0x85: // TUPLE1
            case 0x86: // TUPLE2
            case 0x87: // TUPLE3
                _stack.Add(new PickleTuple(Pop(code - 0x84)));
                break;
            case (byte)'t': // TUPLE
                _stack.Add(new PickleTuple(PopToMark()));
                break;
            case (byte)'s': // SETITEM
                Set(Pop(2));
                break;
            case (byte)'u': // SETITEMS
                Set(PopToMark());
                break;
            case (byte)'c': // GLOBAL
                _stack.Add(PickleNames.Check(_file, ReadLine(), ReadLine()));
                break;
            case (byte)'Q': // BINPERSID
                _stack.Add(Storage(Pop(1)[0]));
                break;
            case (byte)'R': // REDUCE
                Reduce(Pop(2));
                break;
            case 0x81: // NEWOBJ
                _stack.Add(Pop(2) is [PickleGlobal { Name: "BytesIO" }, PickleTuple { Items: [] }]
                    ? new PickleStream()
                    : throw Fault($"makes an object of a class at byte {at}; only byte streams may be."));
                break;
            case (byte)'b': // BUILD
                Build(Pop(1)[0]);
                break;
            default:
                throw Fault($"has the instruction 0x{code:X2} at byte {at}, which no dictionary of tensors needs; nothing was executed.");
        }
        return true;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - _position)
        {
            throw Fault("ends in the middle of an instruction.");
        }
        _position += count;
        return _bytes.Slice(_position - count, count);
    }

    private string ReadText()
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
        ReadOnlySpan<byte> bytes = Take((int)Math.Min(length, int.MaxValue));
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Fault("has a text that is not valid UTF-8.");
    }

    private string ReadLine()
    {
        int length = _bytes[_position..].IndexOf((byte)'\n');
        if (length is < 0 or > 256)
        {
            throw Fault("has a name that does not end.");
        }
        string line = Encoding.Latin1.GetString(Take(length));
        _ = Take(1);
        return line;
    }

    private long ReadLong(ReadOnlySpan<byte> digits)
    {
        if (digits.Length > sizeof(long))
        {
            throw Fault("has a number of more than 64 bits.");
        }
        long value = digits.Length > 0 && (digits[^1] & 0x80) != 0 ? -1 : 0;
        for (int i = digits.Length - 1; i >= 0; i--)
        {
            value = (value << 8) | digits[i];
        }
        return value;
    }

    private void Remember(uint slot) => _memo[slot] = _stack is [.., var top] && top != s_mark ? top : throw Fault("remembers nothing.");

    private void Recall(uint slot) =>
        _stack.Add(_memo.TryGetValue(slot, out object? value) ? value : throw Fault($"recalls {slot}, which it has not remembered."));

    private object?[] Pop(int count)
    {
        if (_stack.Count < count || _stack.IndexOf(s_mark, _stack.Count - count) >= 0)
        {
            throw Fault("takes more from its stack than there is.");
        }
        object?[] items = [.. _stack[^count..]];
        _stack.RemoveRange(_stack.Count - count, count);
        return items;
    }

    private object?[] PopToMark()
    {
        int mark = _stack.LastIndexOf(s_mark);
        if (mark < 0)
        {
            throw Fault("takes more from its stack than there is.");
        }
        object?[] items = [.. _stack[(mark + 1)..]];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return items;
    }

    private void Set(object?[] pairs)
    {
        if (pairs.Length % 2 != 0 || _stack is not [.., PickleDictionary dictionary])
        {
            throw Fault("sets entries of something that is no dictionary.");
        }
        for (int i = 0; i < pairs.Length; i += 2)
        {
            dictionary.Entries.Add((pairs[i], pairs[i + 1]));
        }
    }

    private void Reduce(object?[] call) => _stack.Add(call switch
    {
        [PickleGlobal { Name: "OrderedDict" }, PickleTuple { Items: [] }] => new PickleDictionary(),
        [PickleGlobal { Name: "encode" }, PickleTuple { Items: [string text, "latin1"] }] => text,
        [PickleGlobal { Name: "_rebuild_tensor_v2" }, PickleTuple arguments] => Tensor(arguments.Items),
        _ => throw Fault("calls something else than what tensors need; nothing was executed."),
    });

    // Only what carries a state that does not matter: a byte stream's content, a dictionary's attributes.
    private void Build(object? state)
    {
        bool harmless = (_stack is [.., PickleStream] && state is PickleTuple) || (_stack is [.., PickleDictionary] && state is PickleDictionary);
        if (!harmless)
        {
            throw Fault("gives a state to something that is no byte stream.");
        }
    }

    private PickleStorage Storage(object? id) => id is PickleTuple { Items: ["storage", PickleGlobal type, string key, string, long elements] } && elements >= 0
        ? new PickleStorage(type.Name, key, elements)
        : throw Fault("names something else than a storage.");

    private PickleTensor Tensor(object?[] arguments)
    {
        if (arguments is not [PickleStorage storage, long offset, PickleTuple size, PickleTuple strides, bool, PickleDictionary or null, ..]
            || arguments.Length > 7 || Numbers(size) is not { } extents || Numbers(strides) is not { } steps || extents.Length != steps.Length)
        {
            throw Fault("builds a tensor from something else than a storage, an offset, sizes and strides.");
        }
        return new PickleTensor(storage, offset, extents, steps);
    }

    private static long[]? Numbers(PickleTuple tuple) => Array.TrueForAll(tuple.Items, item => item is long) ? Array.ConvertAll(tuple.Items, item => (long)item!) : null;

    private readonly ModelFormatException Fault(string reason) => new(_file, "data.pkl", reason);
}
