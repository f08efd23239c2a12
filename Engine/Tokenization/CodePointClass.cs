using System.Globalization;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>What the splitting pattern asks about a code point. Flags: a mark is in both letter sets.</summary>
[Flags]
internal enum CodePointClass : byte
{
    /// <summary>None of the others: punctuation, symbols, controls, unassigned.</summary>
    None = 0,

    /// <summary><c>\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}</c>: may stand before the lower-case part of a word.</summary>
    Upper = 1,

    /// <summary><c>\p{Ll}\p{Lm}\p{Lo}\p{M}</c>: may stand in the lower-case part of a word.</summary>
    Lower = 2,

    /// <summary><c>\p{L}</c>.</summary>
    Letter = 4,

    /// <summary><c>\p{N}</c>.</summary>
    Number = 8,

    /// <summary><c>\s</c>, 25 code points.</summary>
    Space = 16,

    /// <summary>Carriage return and line feed.</summary>
    NewLine = 32,
}

/// <summary>Looks up <see cref="CodePointClass"/>.</summary>
internal static class CodePointClasses
{
    private static readonly CodePointClass[] s_basic = BuildBasic();

    /// <summary>The class of a code point, 0…0x10FFFF.</summary>
    public static CodePointClass Of(int codePoint) =>
        codePoint < s_basic.Length ? s_basic[codePoint] : Classify(codePoint);

    private static CodePointClass[] BuildBasic()
    {
        CodePointClass[] table = new CodePointClass[0x10000];
        for (int codePoint = 0; codePoint < table.Length; codePoint++)
        {
            table[codePoint] = Classify(codePoint);
        }
        return table;
    }

    private static CodePointClass Classify(int codePoint)
    {
        if (codePoint is '\r' or '\n')
        {
            return CodePointClass.Space | CodePointClass.NewLine;
        }
        if (codePoint < 0x10000 && char.IsWhiteSpace((char)codePoint))
        {
            return CodePointClass.Space;
        }
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter =>
                CodePointClass.Letter | CodePointClass.Upper,
            UnicodeCategory.LowercaseLetter => CodePointClass.Letter | CodePointClass.Lower,
            UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter =>
                CodePointClass.Letter | CodePointClass.Upper | CodePointClass.Lower,
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark =>
                CodePointClass.Upper | CodePointClass.Lower,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber =>
                CodePointClass.Number,
            _ => CodePointClass.None,
        };
    }
}
