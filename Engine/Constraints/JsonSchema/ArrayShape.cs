namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Arrays: what the items are, how many, and which must be among them.</summary>
internal sealed class ArrayShape(
    SchemaProgram program, SchemaSet[] prefix, SchemaSet rest, int min, int max, ContainsDemand[] demands, bool unique)
{
    public int Min => min;

    public int Max { get; private set; } = max;

    public int PrefixLength => prefix.Length;

    public IReadOnlyList<ContainsDemand> Demands => demands;

    public bool Unique => unique;

    /// <summary>From this index on all items are alike.</summary>
    public int Settled { get; } = Math.Max(Math.Max(prefix.Length, min), demands.Length == 0 ? 0 : demands.Max(demand => demand.From));

    /// <summary>What an item may be that counts for some demands.</summary>
    /// <param name="index">Its index.</param>
    /// <param name="counts">A bit for each demand that it counts for.</param>
    public SchemaSet Item(int index, int counts)
    {
        SchemaSet item = index < prefix.Length ? prefix[index] : rest;
        if (demands.Length == 0)
        {
            return item;
        }
        List<int> literals = [.. item.Literals];
        for (int i = 0; i < demands.Length; i++)
        {
            if ((counts >> i & 1) != 0)
            {
                literals.Add(demands[i].Literal);
            }
            else if (index >= demands[i].From && demands[i].Max < int.MaxValue)
            {
                literals.Add(demands[i].Literal ^ 1);
            }
        }
        return program.Intern(literals, item.Scope);
    }

    /// <summary>The demands that an item may count for, in all combinations.</summary>
    public IEnumerable<int> Counts(int index)
    {
        for (int counts = 0; counts < 1 << demands.Length; counts++)
        {
            bool reaches = true;
            for (int i = 0; i < demands.Length; i++)
            {
                reaches &= (counts >> i & 1) == 0 || index >= demands[i].From;
            }
            if (reaches)
            {
                yield return counts;
            }
        }
    }

    /// <summary>All that items can be.</summary>
    public IEnumerable<SchemaSet> Items()
    {
        for (int index = 0; index <= Math.Max(prefix.Length, Settled) && index < Max; index++)
        {
            // Between the prefix and the last demand's start nothing changes but what counts.
            if (index <= prefix.Length || demands.Any(demand => demand.From == index))
            {
                foreach (int counts in Counts(index))
                {
                    yield return Item(index, counts);
                }
            }
        }
    }

    /// <summary>Whether there is such an array, as far as the values known to exist tell.</summary>
    public bool IsProductive()
    {
        // The first item that cannot be ends the array.
        int possible = 0;
        while (possible < Max && possible <= prefix.Length && Counts(possible).Any(counts => Item(possible, counts).IsProductive))
        {
            possible++;
        }
        int longest = possible > prefix.Length ? Max : possible;
        return longest >= Min && Needed(new int[demands.Length]) <= longest
            && Enumerable.Range(0, demands.Length).All(i => demands[i].Min == 0 || CanCount(i, 0));
    }

    /// <summary>Makes the longest array no longer than its items allow, once all values that exist are known.</summary>
    public void Settle()
    {
        for (int index = 0; index <= prefix.Length && index < Max; index++)
        {
            if (!Counts(index).Any(counts => Item(index, counts).IsProductive))
            {
                Max = index;
            }
        }
    }

    /// <summary>Items that are still needed, one for each demand not met.</summary>
    public int Needed(int[] counted)
    {
        int needed = 0;
        for (int i = 0; i < demands.Length; i++)
        {
            needed += Math.Max(demands[i].Min - counted[i], 0);
        }
        return needed;
    }

    /// <summary>Whether an item at or after an index can count for a demand.</summary>
    public bool CanCount(int demand, int from)
    {
        for (int index = Math.Max(from, demands[demand].From); index < Max && index <= Math.Max(Math.Max(from, demands[demand].From), prefix.Length); index++)
        {
            if (Counts(index).Any(counts => (counts >> demand & 1) != 0 && Item(index, counts).IsProductive))
            {
                return true;
            }
        }
        return false;
    }
}
