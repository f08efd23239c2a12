using System.Globalization;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Bit instructions against definitions on strings of bits.</summary>
public class BitInstructionTests
{
    private static string Text(ulong word, int width) => string.Concat(Enumerable.Range(0, width).Select(i => (word >> (width - 1 - i) & 1) != 0 ? '1' : '0'));

    private static ulong Number(string bits) => bits.Length == 0 ? 0 : ulong.Parse(bits, NumberStyles.BinaryNumber, CultureInfo.InvariantCulture);

    private static string Turn(string bits) => new([.. bits.Reverse()]);

    [Theory]
    [InlineData(32, 'r')]
    [InlineData(64, 'l')]
    public void BitsAreCountedAndFound(int width, char letter)
    {
        InstructionCheck.Word($"popc.b{width} x, a;", $"r,{letter}", row => (ulong)Text(row[0], width).Count(bit => bit == '1'));
        InstructionCheck.Word($"clz.b{width} x, a;", $"r,{letter}", row => (ulong)Text(row[0], width).TakeWhile(bit => bit == '0').Count());
        InstructionCheck.Word($"brev.b{width} x, a;", $"{letter},{letter}", row => Number(Turn(Text(row[0], width))));
        foreach (bool signed in new[] { false, true })
        {
            foreach (bool amount in new[] { false, true })
            {
                InstructionCheck.Word($"bfind{(amount ? ".shiftamt" : "")}.{(signed ? 's' : 'u')}{width} x, a;", $"r,{letter}", row =>
                {
                    string bits = Text(row[0], width);
                    int at = bits.IndexOf(signed && bits[0] == '1' ? '0' : '1', StringComparison.Ordinal);
                    return at < 0 ? 0xFFFF_FFFF : (ulong)(amount ? at : width - 1 - at);
                });
            }
        }
    }

    [Theory]
    [InlineData(32, 'r')]
    [InlineData(64, 'l')]
    public void FieldsAreTakenAndPut(int width, char letter)
    {
        foreach (bool signed in new[] { false, true })
        {
            InstructionCheck.Word($"bfe.{(signed ? 's' : 'u')}{width} x, a, b, c;", $"{letter},{letter}rr", row =>
            {
                int place = (int)(row[1] & 0xFF), count = (int)(row[2] & 0xFF);
                string up = Turn(Text(row[0], width));
                char sign = !signed || count == 0 ? '0' : up[Math.Min(place + count - 1, width - 1)];
                string field = place >= width ? "" : up[place..Math.Min(place + count, width)];
                return Number(Turn((field + new string(sign, width))[..width]));
            }, 3000);
        }
        InstructionCheck.Word($"bfi.b{width} x, a, b, c, e;", $"{letter},{letter}{letter}rr", row =>
        {
            int place = (int)(row[2] & 0xFF), count = (int)(row[3] & 0xFF);
            char[] result = Turn(Text(row[1], width)).ToCharArray();
            string from = Turn(Text(row[0], width));
            for (int i = 0; i < count && place + i < width; i++)
            {
                result[place + i] = from[i];
            }
            return Number(Turn(new string(result)));
        }, 3000);
    }

    [Theory]
    [InlineData("clamp")]
    [InlineData("wrap")]
    public void MasksAndExtensions(string mode)
    {
        InstructionCheck.Word($"bmsk.{mode}.b32 x, a, b;", "r,rr", row =>
        {
            ulong start = mode == "clamp" ? Math.Min(row[0], 32) : row[0] % 32, count = mode == "clamp" ? Math.Min(row[1], 32) : row[1] % 32;
            return Number(string.Concat(Enumerable.Range(0, 32).Select(i => 31 - (ulong)i >= start && 31 - (ulong)i < start + count ? '1' : '0')));
        });
        foreach (string type in new[] { "u32", "s32" })
        {
            InstructionCheck.Word($"szext.{mode}.{type} x, a, b;", "r,rr", row =>
            {
                int count = (int)(mode == "clamp" ? Math.Min(row[1], 32) : row[1] % 32);
                string kept = Text(row[0], 32)[(32 - count)..];
                return Number(kept.PadLeft(32, type == "s32" && count > 0 ? kept[0] : '0'));
            });
        }
        foreach (string side in new[] { "l", "r" })
        {
            InstructionCheck.Word($"shf.{side}.{mode}.b32 x, a, b, c;", "r,rrr", row =>
            {
                int count = (int)(mode == "clamp" ? Math.Min(row[2], 32) : row[2] % 32);
                string both = Text(row[1], 32) + Text(row[0], 32);
                return Number(side == "l" ? both[count..(count + 32)] : both[(32 - count)..(64 - count)]);
            });
        }
    }

    [Fact]
    public void BytesArePermuted()
    {
        InstructionCheck.Word("prmt.b32 x, a, b, c;", "r,rrr", row =>
        {
            byte[] bytes = [.. Enumerable.Range(0, 8).Select(i => (byte)((i < 4 ? row[0] : row[1]) >> (8 * (i % 4))))];
            ulong result = 0;
            for (int i = 0; i < 4; i++)
            {
                int choice = (int)(row[2] >> (4 * i) & 15);
                ulong part = choice > 7 ? (bytes[choice - 8] > 127 ? 0xFFul : 0) : bytes[choice];
                result |= part << (8 * i);
            }
            return result;
        }, 2000);
    }

    [Theory]
    [InlineData("f4e", "3210 4321 5432 6543")]
    [InlineData("b4e", "5670 6701 7012 0123")]
    [InlineData("rc8", "0000 1111 2222 3333")]
    [InlineData("ecl", "3210 3211 3222 3333")]
    [InlineData("ecr", "0000 1110 2210 3210")]
    [InlineData("rc16", "1010 3232 1010 3232")]
    public void ModesOfPermutation(string mode, string table)
    {
        // The table of the manual: for each selector the bytes from the highest to the lowest.
        string[] rows = table.Split(' ');
        InstructionCheck.Word($"prmt.b32.{mode} x, a, b, c;", "r,rrr", row =>
        {
            ulong both = row[1] << 32 | row[0];
            return rows[row[2] & 3].Aggregate(0ul, (result, digit) => result << 8 | (both >> (8 * (digit - '0')) & 0xFF));
        });
    }

    [Fact]
    public void AnyFunctionOfThreeBits()
    {
        foreach (int table in new[] { 0, 1, 0x80, 0x6A, 0xEA, 0x96, 0xE8, 0x1B, 0xFE, 0xFF })
        {
            ulong Definition(ulong[] row) =>
                Number(string.Concat(Text(row[0], 32).Zip(Text(row[1], 32), Text(row[2], 32)).Select(bits => (char)('0' + (table >> Convert.ToInt32($"{bits.First}{bits.Second}{bits.Third}", 2) & 1)))));
            InstructionCheck.Word($"lop3.b32 x, a, b, c, {table};", "r,rrr", Definition, 200, special: [0, ulong.MaxValue, 0x5555_5555, 0x0F0F_3C3C, 1]);
            InstructionCheck.Words($"lop3.or.b32 x|y, a, b, c, {table}, e;", "rp,rrrp", row => [Definition(row), (Definition(row) != 0 ? 1ul : 0) | row[3]], 200, special: [0, ulong.MaxValue, 0x5555_5555, 1]);
            InstructionCheck.Words($"lop3.and.b32 _|x, a, b, c, {table}, !e;", "p,rrrp", row => [(Definition(row) != 0 ? 1ul : 0) & (row[3] ^ 1)], 200, special: [0, ulong.MaxValue, 0x5555_5555, 1]);
        }
    }

    [Fact]
    public void TheNthSetBit() => InstructionCheck.Word("fns.b32 x, a, b, c;", "r,rrr", row =>
    {
        int start = (int)row[1], n = (int)row[2];
        int[] set = [.. Enumerable.Range(0, 32).Where(i => (row[0] >> i & 1) != 0)];
        int[] candidates = n == 0 ? [.. set.Where(i => i == start)] : n > 0 ? [.. set.Where(i => i >= start)] : [.. set.Where(i => i <= start).Reverse()];
        long index = n == 0 ? 0 : Math.Abs((long)n) - 1;
        return index < candidates.Length ? (ulong)candidates[index] : 0xFFFF_FFFF;
    }, 2000, row => row[1] < 32, [0, 1, 2, 3, 4, 5, 8, 16, 30, 31, 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFD, 0xFFFF_FFF0, 0x8000_0001, 0xF0F0_F0F0, 0x8000_0000]);

    [Fact]
    public void RegistersAreTakenApartAndPutTogether()
    {
        InstructionCheck.Word("mov.b32 x, {a, b};", "r,hh", row => row[1] << 16 | row[0]);
        InstructionCheck.Words("mov.b32 {x, y}, a;", "hh,r", row => [row[0] & 0xFFFF, row[0] >> 16]);
        InstructionCheck.Word("mov.b64 x, {a, b};", "l,rr", row => row[1] << 32 | row[0]);
        InstructionCheck.Words("mov.b64 {x, y}, a;", "rr,l", row => [row[0] & 0xFFFF_FFFF, row[0] >> 32]);
        InstructionCheck.Word("mov.b64 {_, x}, a;", "r,l", row => row[0] >> 32);
        InstructionCheck.Word("mov.b64 x, {a, b, c, e};", "l,hhhh", row => row[3] << 48 | row[2] << 32 | row[1] << 16 | row[0]);
        InstructionCheck.Words("mov.b64 {x, y, z, _}, a;", "hhh,l", row => [row[0] & 0xFFFF, row[0] >> 16 & 0xFFFF, row[0] >> 32 & 0xFFFF]);
        InstructionCheck.Words("{ .reg .b128 q, s; mov.b128 q, {a, b}; mov.b128 s, q; mov.b128 {x, y}, s; }", "ll,ll", row => row);
        InstructionCheck.Word("{ .reg .b8 m, n, o, q; mov.b32 {m, n, o, q}, a; mov.b32 x, {q, o, n, m}; }", "r,r", row =>
            (row[0] & 0xFF) << 24 | (row[0] & 0xFF00) << 8 | (row[0] >> 8 & 0xFF00) | row[0] >> 24);
    }

    [Fact]
    public void SelectionsKeepBits()
    {
        foreach ((string type, char letter) in new[] { ("b16", 'h'), ("u16", 'h'), ("b32", 'r'), ("s32", 'r'), ("f32", 'f'), ("b64", 'l'), ("f64", 'd') })
        {
            InstructionCheck.Word($"selp.{type} x, a, b, c;", $"{letter},{letter}{letter}p", row => row[2] != 0 ? row[0] : row[1], 100, special: [0, 1, ulong.MaxValue]);
            InstructionCheck.Word($"selp.{type} x, a, b, !c;", $"{letter},{letter}{letter}p", row => row[2] == 0 ? row[0] : row[1], 100, special: [0, 1, ulong.MaxValue]);
            InstructionCheck.Word($"slct.{type}.s32 x, a, b, c;", $"{letter},{letter}{letter}r", row => (int)row[2] >= 0 ? row[0] : row[1], 300, special: [0, 1, 0x8000_0000, ulong.MaxValue]);
            InstructionCheck.Word($"slct.{type}.f32 x, a, b, c;", $"{letter},{letter}{letter}f",
                row => BitConverter.UInt32BitsToSingle((uint)row[2]) >= 0 ? row[0] : row[1], 300, special: [0, 1, ulong.MaxValue]);
            InstructionCheck.Word($"slct.ftz.{type}.f32 x, a, b, c;", $"{letter},{letter}{letter}f", row =>
                (row[2] & 0x7F80_0000) == 0 || BitConverter.UInt32BitsToSingle((uint)row[2]) >= 0 ? row[0] : row[1], 300, special: [0, 1, ulong.MaxValue]);
        }
    }
}
