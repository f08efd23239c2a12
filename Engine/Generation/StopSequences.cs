using System.Text;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// Finds stop strings in text that arrives in pieces. Text that could be the beginning of a stop string is held back until
/// it is clear that it is not. What comes out does not depend on how the text is cut: the stop string that is complete
/// first ends the text, the longest one if several end together. Strings are compared ordinally.
/// </summary>
internal sealed class StopSequences
{
    private readonly string[] _stops;
    private readonly int[][] _borders;
    private readonly int[] _matched;
    private readonly StringBuilder _pending = new();

    /// <summary>Watches for <paramref name="stops"/>; none of them lets all text through.</summary>
    /// <exception cref="ArgumentException">A stop string is empty.</exception>
    public StopSequences(IEnumerable<string> stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = [.. stops];
        if (_stops.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("A stop string must not be empty.", nameof(stops));
        }
        _borders = [.. _stops.Select(Borders)];
        _matched = new int[_stops.Length];
    }

    /// <summary>The stop string that was found, or null.</summary>
    public string? Found { get; private set; }

    /// <summary>Takes the next piece.</summary>
    /// <returns>The text that is now certain, and whether a stop string ended it.</returns>
    /// <exception cref="InvalidOperationException">A stop string has been found before: the text is over.</exception>
    public (string Text, bool Stopped) Feed(string piece)
    {
        ArgumentNullException.ThrowIfNull(piece);
        if (Found is not null)
        {
            throw new InvalidOperationException("The text has ended at a stop string; a new text needs a new matcher.");
        }
        foreach (char next in piece)
        {
            _pending.Append(next);
            Advance(next);
            if (Found is not null)
            {
                string text = _pending.ToString(0, _pending.Length - Found.Length);
                _pending.Clear();
                return (text, true);
            }
        }
        int held = _matched.Length == 0 ? 0 : _matched.Max();
        string certain = _pending.ToString(0, _pending.Length - held);
        _pending.Remove(0, certain.Length);
        return (certain, false);
    }

    /// <summary>The end of the text: returns what was held back, which was no stop string after all.</summary>
    public string Flush()
    {
        string text = _pending.ToString();
        _pending.Clear();
        Array.Clear(_matched);
        return text;
    }

    /// <summary>Moves each stop string's automaton on by one character (Knuth, Morris and Pratt).</summary>
    private void Advance(char next)
    {
        for (int i = 0; i < _stops.Length; i++)
        {
            string stop = _stops[i];
            int length = _matched[i];
            while (length > 0 && stop[length] != next)
            {
                length = _borders[i][length - 1];
            }
            _matched[i] = stop[length] == next ? length + 1 : 0;
            if (_matched[i] == stop.Length && stop.Length > (Found?.Length ?? 0))
            {
                Found = stop;
            }
        }
    }

    /// <summary>For each prefix of the string, the length of its longest proper prefix that is also its end.</summary>
    private static int[] Borders(string stop)
    {
        int[] borders = new int[stop.Length];
        int length = 0;
        for (int i = 1; i < stop.Length; i++)
        {
            while (length > 0 && stop[length] != stop[i])
            {
                length = borders[length - 1];
            }
            if (stop[length] == stop[i])
            {
                length++;
            }
            borders[i] = length;
        }
        return borders;
    }
}
