namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>
/// The order in which blocks of a grid are looked at if not all are: steps of the golden ratio, which fall evenly on everything that repeats
/// along the grid, each followed by its mirror image, so that what grows along the grid is met in the mean.
/// </summary>
internal static class SampleOrder
{
    private const double Golden = 0.618033988749894848;

    /// <summary>Numbers of blocks, each once, until the grid has no more.</summary>
    /// <param name="blocks">Blocks of the grid.</param>
    public static IEnumerable<long> Of(long blocks)
    {
        var seen = new HashSet<long>();
        for (long step = 1; seen.Count < blocks; step++)
        {
            double place = step * Golden;
            long block = (long)((place - Math.Floor(place)) * blocks);
            if (seen.Add(block))
            {
                yield return block;
            }
            if (seen.Add(blocks - 1 - block))
            {
                yield return blocks - 1 - block;
            }
            // The golden ratio passes some blocks of a small grid by for long.
            if (step > 4 * blocks)
            {
                for (long rest = 0; rest < blocks; rest++)
                {
                    if (seen.Add(rest))
                    {
                        yield return rest;
                    }
                }
            }
        }
    }
}
