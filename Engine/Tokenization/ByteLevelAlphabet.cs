namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// The printable stand-ins for bytes in <c>tokenizer.json</c>: visible Latin-1 characters stand for themselves, the
/// other 68 bytes for U+0100 and up, in order.
/// </summary>
internal static class ByteLevelAlphabet
{
    private static readonly short[] s_byteOf = Build();

    /// <summary>The bytes that a token string stands for, or null if a character stands for none.</summary>
    public static byte[]? ToBytes(string token)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            int value = token[i] < s_byteOf.Length ? s_byteOf[token[i]] : -1;
            if (value < 0)
            {
                return null;
            }
            bytes[i] = (byte)value;
        }
        return bytes;
    }

    private static short[] Build()
    {
        short[] table = new short[256 + 68];
        Array.Fill(table, (short)-1);
        int next = 256;
        for (short value = 0; value < 256; value++)
        {
            bool visible = value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            table[visible ? value : next++] = value;
        }
        return table;
    }
}
