using System.Text;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>The parts that masks are made of, against what they are by definition.</summary>
public class LexingTests
{
    [Theory]
    [InlineData("^abc$", 1)]
    [InlineData("^[^]{3}x", 4)]
    [InlineData("ab", int.MaxValue)]
    [InlineData("^[^]{2,5}$", 6)]
    public void TheWayToTheDeadStateIsMeasured(string pattern, int expected) =>
        Assert.Equal(expected, RegexOf(pattern).ToDead(0));

    /// <summary>Of all texts over a few letters none is dead sooner, and one is just then.</summary>
    [Theory]
    [InlineData("in", "an", "ban")]
    [InlineData("a", "b", "c")]
    [InlineData("abn", "nab", "ii")]
    public void NoTextIsDeadSooner(params string[] words)
    {
        ConstraintBudget budget = ConstraintBudget.Unbounded();
        Dfa texts = words.Select(RegexOf).Aggregate((all, word) => DfaOperations.Except(all, word, budget));
        for (int state = 0; state < texts.StateCount; state++)
        {
            int soonest = Enumerable.Range(1, 7).FirstOrDefault(length => AnyDead(texts, state, length), int.MaxValue);
            Assert.Equal(texts.ToDead(state), soonest);
        }
    }

    [Fact]
    public void ATrieHoldsWhatWasAdded()
    {
        ByteTrie trie = new();
        string[] words = ["", "a", "ab", "b", "abc", "é", .. Enumerable.Range(0, 300).Select(i => $"{i * 7}")];
        Dictionary<string, int> nodes = words.ToDictionary(word => word, word => trie.Add(Encoding.UTF8.GetBytes(word), word.Length), StringComparer.Ordinal);
        Assert.Equal(words.Length, nodes.Values.Distinct().Count());
        Assert.All(words, word => Assert.Equal(nodes[word], Encoding.UTF8.GetBytes(word).Aggregate(0, (node, value) => trie.Child(node, value))));
        Assert.Equal(ByteTrie.Off, trie.Child(nodes["abc"], (byte)'d'));
        Assert.Equal(ByteTrie.Off, trie.FirstChild(nodes["abc"]));
        Assert.Equal(nodes["ab"], trie.FirstChild(nodes["a"]));
        Assert.Equal(ByteTrie.Off, trie.NextSibling(nodes["ab"]));
        Assert.Equal((byte)'c', trie.Label(nodes["abc"]));
        Assert.All(words, word => Assert.Equal(word.Length, trie.Tag(nodes[word])));
        Assert.Equal(trie.Count, 1 + words.SelectMany(Beginnings).Distinct(StringComparer.Ordinal).Count());
    }

    /// <summary>Some of a trie's strings are as if the others were not there.</summary>
    [Fact]
    public void SomeStringsOfATrieStandAlone()
    {
        VocabularyTrie vocabulary = new(ConstraintChecks.Tokenizer);
        Random random = new(3);
        for (int round = 0; round < 30; round++)
        {
            string[] words = [.. Enumerable.Range(0, random.Next(1, 90)).Select(i => $"\"{(char)random.Next('a', 'e')}{random.Next(round + 3)}{"aé"[random.Next(2)]}{i % 7}\"").Distinct(StringComparer.Ordinal)];
            int[] tags = [.. Enumerable.Range(0, words.Length).Where(_ => random.Next(3) == 0)];
            ByteTrie all = new(words.Select((word, i) => (Encoding.UTF8.GetBytes(word), i)));
            LiteralAutomaton some = new(all, tags);
            LiteralAutomaton alone = new(tags.Select(tag => (Encoding.UTF8.GetBytes(words[tag]), tag)));
            Queue<(int Some, int Alone)> pending = new([(0, 0)]);
            while (pending.TryDequeue(out (int Some, int Alone) at))
            {
                Assert.Equal(alone.Tag(at.Alone), some.Tag(at.Some));
                Assert.Equal(alone.Continues(at.Alone), some.Continues(at.Some));
                (Slice expected, Slice found) = (alone.SliceOf(at.Alone, vocabulary), some.SliceOf(at.Some, vocabulary));
                Assert.Equal(expected.Sparse, found.Sparse);
                Assert.Equal(expected.Exits.Select(exit => (exit.Tag, string.Join(',', exit.Nodes.Order()))), found.Exits.Select(exit => (exit.Tag, string.Join(',', exit.Nodes.Order()))));
                for (int value = 0; value < 256; value++)
                {
                    (int next, int nextAlone) = (some.Next(at.Some, (byte)value), alone.Next(at.Alone, (byte)value));
                    Assert.Equal(nextAlone == Automaton.Dead, next == Automaton.Dead);
                    if (next != Automaton.Dead)
                    {
                        pending.Enqueue((next, nextAlone));
                    }
                }
            }
        }
    }

    private static IEnumerable<string> Beginnings(string word)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(word);
        return Enumerable.Range(1, bytes.Length).Select(length => Convert.ToHexString(bytes, 0, length));
    }

    private static Dfa RegexOf(string pattern) => new AutomatonLibrary().Pattern(pattern, ConstraintBudget.Unbounded());

    private static bool AnyDead(Dfa dfa, int state, int length) =>
        "abin".Any(letter => dfa.Next(state, letter) is int next && (next == Dfa.Dead ? length == 1 : length > 1 && AnyDead(dfa, next, length - 1)));
}
