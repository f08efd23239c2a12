using System.Text;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Regular expressions and grammars that chance writes: judged as .NET judges them, or refused. <c>LLAMA4_FUZZ=1000</c> tries more.</summary>
public class TextFuzzTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private const string Alphabet = "ab1-";

    // A quarter of the expressions has too many states; with the usual limit each of these takes a second to be refused.
    private static readonly ConstraintCompiler s_compiler = new(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxCompileBytes = 32 << 20 });

    [Fact]
    public void ExpressionsMatchWhatDotNetMatches()
    {
        (int compiled, int unjudged) = (0, 0);
        long rounds = Fuzzing.Iterations(50);
        for (int round = 0; round < rounds; round++)
        {
            Random random = new(round);
            string pattern = Expression(random, 3);
            Regex oracle = new($"\\A(?:{pattern})\\z", RegexOptions.CultureInvariant, s_patience);
            ITokenConstraint constraint;
            try
            {
                constraint = s_compiler.Regex(pattern);
                compiled++;
            }
            catch (ConstraintException)
            {
                continue;
            }
            for (int i = 0; i < 15; i++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
                if (Judge(oracle, text) is not bool expected)
                {
                    unjudged++;
                    break;
                }
                Assert.True(ConstraintChecks.AcceptsBytes(constraint, text) == expected, $"round {round}: /{pattern}/ should {(expected ? "accept" : "refuse")} '{text}'");
            }
        }
        output.WriteLine($"{rounds} expressions: {compiled} compiled, {unjudged} beyond the oracle");
        Assert.True(compiled > rounds / 2);
        Assert.True(unjudged <= Math.Max(rounds / 10, 1), $"{unjudged} expressions were not judged.");
    }

    // .NET goes back over its tracks, on some expressions for ever.
    private static bool? Judge(Regex oracle, string text)
    {
        try
        {
            return oracle.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
    }

    [Fact]
    public void BrokenExpressionsAndGrammarsAreErrorsAndNothingElse()
    {
        const string Signs = "()[]{}|*+?.^$\\dw:=!<>,-0179abxup\"/~;%@#é \n";
        string[] pieces = ["start", ": ", "\n", "A", "x", "\"a\"", "/b+/", " | ", "(", ")", "[", "]", "*", "+", "?", "~2..3", "%json {\"type\":\"null\"}", "%ignore ", "%import common.INT", "-> y", "start: ", "A: ", "..", "//c", "\"\\u00e9\""];
        for (int round = 0; round < Fuzzing.Iterations(400); round++)
        {
            Random random = new(round);
            string pattern = string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => Signs[random.Next(Signs.Length)]));
            string grammar = "start: " + string.Concat(Enumerable.Range(0, random.Next(1, 20)).Select(_ => pieces[random.Next(pieces.Length)]));
            Try(pattern, () => ConstraintChecks.Compiler.Regex(pattern));
            Try(grammar, () => ConstraintChecks.Compiler.Grammar(grammar));
        }
    }

    private static void Try(string text, Func<ITokenConstraint> compile)
    {
        try
        {
            compile().Fork().Allow(new TokenMask(ConstraintChecks.Tokenizer.VocabularySize));
        }
        catch (ConstraintException error)
        {
            Assert.NotEqual(string.Empty, error.Reason);
        }
        catch (Exception fault) when (fault is not OutOfMemoryException)
        {
            Assert.Fail($"{text}: {fault}");
        }
    }

    // What .NET and ECMA-262 read alike.
    private static string Expression(Random random, int depth)
    {
        StringBuilder text = new();
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            string term = random.Next(depth > 0 ? 9 : 5) switch
            {
                0 or 1 => $"{Alphabet[random.Next(Alphabet.Length)]}",
                2 => ".",
                3 => ((string[])["[ab]", "[^a]", "[a-b1]", "[^-1]", "[1\\-]"])[random.Next(5)],
                4 => ((string[])["\\d", "\\w", "\\D", "\\W", "\\x61"])[random.Next(5)],
                5 => $"({Expression(random, depth - 1)})",
                6 or 7 => $"(?:{Expression(random, depth - 1)}|{Expression(random, depth - 1)})",
                _ => $"(?{(random.Next(2) == 0 ? "=" : "!")}{Expression(random, 0)})",
            };
            text.Append(term);
            if (!term.StartsWith("(?=", StringComparison.Ordinal) && !term.StartsWith("(?!", StringComparison.Ordinal))
            {
                text.Append(((string[])["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "??"])[random.Next(11)]);
            }
        }
        return text.ToString();
    }
}
