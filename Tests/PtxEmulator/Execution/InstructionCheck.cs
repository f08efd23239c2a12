using System.Globalization;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Compares an instruction with a definition on pairs of special values and on seeded random ones.</summary>
internal static class InstructionCheck
{
    private static readonly ulong[] s_words =
    [
        0, 1, 2, 3, 5, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 255, 256, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x1_0000, 0x7F_FFFF, 0x80_0000, 0xFF_FFFF,
        0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0x8000_0000_0000_0001, 0xFFFF_FFFF_FFFF_FF80, 0xFFFF_FFFF_FFFF_8000, ulong.MaxValue - 1, ulong.MaxValue,
    ];

    /// <summary>Codes of special numbers by letter: those of an integer register are taken as they are.</summary>
    private static readonly Dictionary<char, ulong[]> s_special = new()
    {
        ['f'] = [.. Codes(23, 8)],
        ['d'] = [.. Codes(52, 11)],
    };

    /// <summary>The result of every row must equal the definition's, bit for bit.</summary>
    public static void Words(string body, string signature, Func<ulong[], ulong[]> definition, int random = 600, Func<ulong[], bool>? allowed = null, ulong[]? special = null) =>
        Compare(body, signature, definition, static (_, expected, got) => expected == got, random, allowed, special);

    /// <summary>As <see cref="Words"/> with one result.</summary>
    public static void Word(string body, string signature, Func<ulong[], ulong> definition, int random = 600, Func<ulong[], bool>? allowed = null, ulong[]? special = null) =>
        Words(body, signature, row => [definition(row)], random, allowed, special);

    public static void Compare(
        string body, string signature, Func<ulong[], ulong[]> definition, Func<int, ulong, ulong, bool> same, int random, Func<ulong[], bool>? allowed = null, ulong[]? special = null)
    {
        string[] sides = signature.Split(',');
        List<ulong[]> rows = [.. Rows(sides[1], random, special).Where(row => allowed is null || allowed(row))];
        ulong[][] columns = [.. Enumerable.Range(0, sides[1].Length).Select(i => rows.Select(row => row[i]).ToArray())];
        ulong[][] results = InstructionRun.Execute(body, signature, columns);
        for (int i = 0; i < rows.Count; i++)
        {
            ulong[] expected = definition(rows[i]);
            for (int j = 0; j < expected.Length; j++)
            {
                if (!same(j, expected[j], results[j][i]))
                {
                    string inputs = string.Join(", ", rows[i].Select(Hex));
                    Assert.Fail($"{body} of {inputs}: result {j} is {Hex(results[j][i])}, not {Hex(expected[j])}.");
                }
            }
        }
    }

    /// <summary>Codes around the edges of a binary format: zeros, subnormals, powers of two, ties, the largest, infinities and NaNs of both signs.</summary>
    public static IEnumerable<ulong> Codes(int fractionBits, int exponentBits)
    {
        ulong one = ((1ul << (exponentBits - 1)) - 1) << fractionBits;
        ulong infinity = ((1ul << exponentBits) - 1) << fractionBits;
        ulong step = 1ul << fractionBits;
        ulong[] positive =
        [
            0, 1, 2, step / 2, step - 1, step, step + 1, one - step, one - 1, one, one + 1, one + (step / 2), one + step, one + step + (step / 2),
            one + (3 * step) - 1, one + (step * (ulong)Math.Min(fractionBits, 8)), one + (step * (ulong)fractionBits), Math.Min(one + (step * 33), infinity - 3),
            Math.Min(one + (step * 64), infinity - 2), infinity - 1, infinity, infinity + (step / 2), infinity + step - 1,
        ];
        return positive.Concat(positive.Select(code => code | 1ul << (fractionBits + exponentBits)));
    }

    private static IEnumerable<ulong[]> Rows(string letters, int random, ulong[]? special)
    {
        var source = new Random(letters.Length + random);
        ulong[][] sets = [.. letters.Select(letter => Set(letter, special))];
        if (letters.Length == 1)
        {
            foreach (ulong value in sets[0])
            {
                yield return [value];
            }
        }
        else
        {
            foreach (ulong first in sets[0])
            {
                foreach (ulong second in sets[1])
                {
                    ulong[] row = [.. sets.Select(set => set[source.Next(set.Length)])];
                    (row[0], row[1]) = (first, second);
                    yield return row;
                }
            }
        }
        for (int i = 0; i < random; i++)
        {
            yield return [.. sets.Zip(letters).Select(pair => source.Next(5) == 0 ? pair.First[source.Next(pair.First.Length)] : Trim((ulong)source.NextInt64() << 1 | (uint)source.Next(2), pair.Second))];
        }
    }

    private static ulong[] Set(char letter, ulong[]? special) =>
        s_special.TryGetValue(letter, out ulong[]? codes) ? codes : [.. (letter == 'p' ? [0ul, 1] : special ?? s_words).Select(word => Trim(word, letter)).Distinct()];

    private static ulong Trim(ulong word, char letter) => letter switch { 'p' => word & 1, 'h' => word & 0xFFFF, 'r' or 'f' => word & 0xFFFF_FFFF, _ => word };

    private static string Hex(ulong word) => "0x" + word.ToString("x", CultureInfo.InvariantCulture);
}
