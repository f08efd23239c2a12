using System.Text;
using CsCheck;
using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Tests.Engine.Generation;

public class StopSequencesTests
{
    [Fact]
    public void AStopStringOverSeveralPiecesIsFoundAndCutOff()
    {
        var stops = new StopSequences(["</answer>"]);
        Assert.Equal(("42", false), stops.Feed("42</"));
        Assert.Equal(("", false), stops.Feed("ans"));
        Assert.Equal(("", true), stops.Feed("wer> and more"));
        Assert.Equal("</answer>", stops.Found);
        Assert.Equal("", stops.Flush());
    }

    [Fact]
    public void WhatWasHeldBackComesOutWhenItIsNoStopString()
    {
        var stops = new StopSequences(["END"]);
        Assert.Equal(("the ", false), stops.Feed("the EN"));
        Assert.Equal(("ENEMY ", false), stops.Feed("EMY E"));
        Assert.Equal("E", stops.Flush());
        Assert.Null(stops.Found);
    }

    [Fact]
    public void AfterAFlushNothingOfTheOldTextIsMatched()
    {
        var stops = new StopSequences(["ab"]);
        stops.Feed("a");
        Assert.Equal("a", stops.Flush());
        Assert.Equal(("b", false), stops.Feed("b"));
    }

    [Theory]
    [InlineData("aabaaab", "aaab", "aab")]
    [InlineData("xababac", "ababac", "x")]
    [InlineData("abcab", "abcabd,cab", "ab")]
    public void OverlappingBeginningsAreNotLost(string text, string stopStrings, string expected)
    {
        string actual = Run(text.Select(c => c.ToString()), stopStrings.Split(','), out bool stopped);
        Assert.True(stopped);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void TheFirstToBeCompleteEndsTheTextAndOfSeveralTheLongest()
    {
        Assert.Equal("x", Run(["xabc"], ["bcd", "abc", "c", "bc"], out _));
        Assert.Equal("xa", Run(["xabc"], ["abc", "b"], out _));
    }

    [Fact]
    public void WithoutStopStringsAllTextPasses()
    {
        var stops = new StopSequences([]);
        Assert.Equal(("anything", false), stops.Feed("anything"));
        Assert.Equal("", stops.Flush());
    }

    [Fact]
    public void WrongUseIsAnError()
    {
        Assert.Throws<ArgumentException>("stops", () => new StopSequences(["a", ""]));
        var stops = new StopSequences(["a"]);
        stops.Feed("a");
        Assert.Throws<InvalidOperationException>(() => stops.Feed("b"));
        Assert.Throws<ArgumentNullException>(() => stops.Feed(null!));
    }

    /// <summary>However a text is cut, the result is that of searching the whole text.</summary>
    [Fact]
    public void TheCutDoesNotMatter()
    {
        Gen<string> text = Gen.String[Gen.Char["ab"], 0, 30];
        Gen<string[]> stopStrings = Gen.String[Gen.Char["ab"], 1, 5].Array[0, 3];
        Gen.Select(text, stopStrings, Gen.Int[1, 6].Array[30]).Sample((whole, stops, cuts) =>
        {
            List<string> pieces = [];
            for (int at = 0, i = 0; at < whole.Length; i++)
            {
                int length = Math.Min(cuts[i], whole.Length - at);
                pieces.Add(whole.Substring(at, length));
                at += length;
            }
            Assert.Equal(Search(whole, stops), Run(pieces, stops, out _));
        }, iter: 5000);
    }

    private static string Search(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string? found = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).MaxBy(stop => stop.Length);
            if (found is not null)
            {
                return text[..(end - found.Length)];
            }
        }
        return text;
    }

    private static string Run(IEnumerable<string> pieces, string[] stopStrings, out bool stopped)
    {
        var stops = new StopSequences(stopStrings);
        var result = new StringBuilder();
        stopped = false;
        foreach (string piece in pieces)
        {
            (string text, stopped) = stops.Feed(piece);
            result.Append(text);
            if (stopped)
            {
                return result.ToString();
            }
        }
        return result.Append(stops.Flush()).ToString();
    }
}
