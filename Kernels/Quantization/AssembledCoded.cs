using System.Collections.Concurrent;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What is assembled for a way of storing codes: made at first use and kept as long as the process.</summary>
internal sealed unsafe class AssembledCoded
{
    private static readonly ConcurrentDictionary<CodedSpan, AssembledCoded> s_made = new();

    // Their code lives as long as they do.
    private readonly AssembledCodedTile[] _tiles;
    private readonly AssembledCodedScales? _scales;

    private AssembledCoded(AffineLayout layout, CodedSpan span)
    {
        _tiles = [new(span, 1, prefetches: true), new(span, 2, prefetches: true), new(span, 4, prefetches: true), new(span, 1, prefetches: false), new(span, 2, prefetches: false), new(span, 4, prefetches: false)];
        _scales = span.IsRow ? null : new AssembledCodedScales(layout);
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
        private readonly delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> _one = made._tiles[0].Run, _two = made._tiles[1].Run, _four = made._tiles[2].Run;
        private readonly delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> _oneMore = made._tiles[3].Run, _twoMore = made._tiles[4].Run, _fourMore = made._tiles[5].Run;

        /// <summary>Reads the scales of slabs; null where rows have one.</summary>
        public readonly delegate* unmanaged<byte*, float*, long, void> Scales = made._scales == null ? null : made._scales.Run;

        /// <summary>Multiplies the first tile of a slice, which prefetches, or a further one; of 1, 2 or 4 rows.</summary>
        public delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> Tile(int rows, bool isFirst) =>
            rows == 1 ? isFirst ? _one : _oneMore : rows == 2 ? isFirst ? _two : _twoMore : isFirst ? _four : _fourMore;
    }
}
