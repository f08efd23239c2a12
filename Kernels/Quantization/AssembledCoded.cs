using System.Collections.Concurrent;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What is assembled for a way of storing codes: made at first use and kept as long as the process.</summary>
internal sealed unsafe class AssembledCoded
{
    private static readonly ConcurrentDictionary<CodedSpan, AssembledCoded> s_made = new();

    // Their code lives as long as they do.
    private readonly AssembledCodedTile[] _only, _further;
    private readonly AssembledCodedTile _first;

    private AssembledCoded(AffineLayout layout, CodedSpan span)
    {
        _only = Array.ConvertAll<int, AssembledCodedTile>([1, 2, 4], rows => new(layout, span, rows, TileTurn.Only));
        _first = new AssembledCodedTile(layout, span, Int8Operand.TileRows, TileTurn.First);
        _further = Array.ConvertAll<int, AssembledCodedTile>([1, 2, 4], rows => new(layout, span, rows, TileTurn.Further));
    }

    /// <summary>Finds or makes it. Allocates nothing for a way that came before.</summary>
    public static Entries Get(in AffineLayout layout, CodedSpan span)
    {
        if (!s_made.TryGetValue(span, out AssembledCoded? made))
        {
            made = s_made.GetOrAdd(span, new AssembledCoded(layout, span));
        }
        return new Entries(made);
    }

    /// <summary>Where the code begins.</summary>
    public readonly struct Entries(AssembledCoded made)
    {
        private readonly delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> _one = made._only[0].Run, _two = made._only[1].Run, _four = made._only[2].Run;
        private readonly delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> _first = made._first.Run;
        private readonly delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> _furtherOne = made._further[0].Run, _furtherTwo = made._further[1].Run, _furtherFour = made._further[2].Run;

        /// <summary>Multiplies a tile of 1, 2 or 4 rows; the first of several has 4.</summary>
        public delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> Tile(int rows, TileTurn turn) => turn switch
        {
            TileTurn.Only => rows == 1 ? _one : rows == 2 ? _two : _four,
            TileTurn.First => _first,
            _ => rows == 1 ? _furtherOne : rows == 2 ? _furtherTwo : _furtherFour,
        };
    }
}
