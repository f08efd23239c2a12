using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Arrays: what the items are, how many, and which must be among them.</summary>
internal sealed class ArrayShape(
    SchemaProgram program, SchemaSet[] prefix, SchemaSet rest, int min, int max, ContainsDemand[] demands, Subschema? unique)
{
    // Counts and places from which an array is known to be completable; what is known stays true as more values come to exist.
    private readonly HashSet<int[]> _completable = new(SequenceComparer.Instance);

    public int Min => min;

    public int Max { get; private set; } = max;

    public int PrefixLength => prefix.Length;

    public IReadOnlyList<ContainsDemand> Demands => demands;

    /// <summary>Whether no two items may be equal.</summary>
    public bool IsUnique => unique is not null;

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
        return program.Intern(literals, item.Scope, item.WrittenOneWay);
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
        if (IsUnique && prefix.Length == 0 && demands.Length == 0 && Min > 1)
        {
            longest = Math.Min(longest, Distinct(program.Values.Of(rest).Count));
        }
        return longest >= Min && CanComplete(0, new int[demands.Length]);
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

    /// <summary>
    /// Makes arrays of different items no longer than there are different items, once all values that exist are known.
    /// </summary>
    /// <exception cref="ConstraintException">It is not known how many there are, or whether two are equal.</exception>
    public void LimitDistinct()
    {
        if (unique is null || Max <= 1)
        {
            return;
        }
        if (Array.Exists(demands, demand => demand.Min > 1))
        {
            throw unique.Error("uniqueItems", "is not supported beside a condition that several items must meet.");
        }
        bool isUniform = prefix.Length == 0 && demands.Length == 0;
        for (int index = 0; index <= Settled && index < Max; index++)
        {
            foreach (SchemaSet item in Counts(index).Select(counts => Item(index, counts)).Where(item => item.IsProductive))
            {
                if (!ValueCount.AreTold(item))
                {
                    throw unique.Error("uniqueItems", "is not supported for objects whose properties come in any order and are limited in number.");
                }
            }
            (int count, bool exact) = program.Values.Of(Item(index, 0));
            if (isUniform && exact)
            {
                Max = Math.Min(Max, Distinct(count));
            }
            else if (Distinct(count) < Max && (index >= prefix.Length || count <= index))
            {
                throw unique.Error("uniqueItems", "is not supported where there are only so many different items and they are not all of one kind.");
            }
        }
    }

    private static int Distinct(int count) => count >= ValueCount.Unlimited ? int.MaxValue : count;

    /// <summary>Whether all demands are met.</summary>
    public bool IsMet(int[] counted) => !demands.Where((demand, i) => counted[i] < demand.Min).Any();

    /// <summary>What has been counted after one more item; null if that is too much.</summary>
    /// <param name="counted">Items counted for each demand before it.</param>
    /// <param name="counts">A bit for each demand that it counts for.</param>
    public int[]? After(int[] counted, int counts)
    {
        int[] after = [.. counted];
        for (int i = 0; i < after.Length; i++)
        {
            if ((counts >> i & 1) != 0 && ++after[i] > (demands[i].Max == int.MaxValue ? demands[i].Min : demands[i].Max))
            {
                return null;
            }
        }
        return after;
    }

    /// <summary>
    /// Whether an array can be completed, as far as the values known to exist tell: whether items can follow that meet every demand, where
    /// one item may count for several and different items may stand at different places.
    /// </summary>
    /// <param name="index">Items written.</param>
    /// <param name="counted">Items counted for each demand.</param>
    public bool CanComplete(int index, int[] counted)
    {
        if (demands.Length == 0)
        {
            return index <= Max;
        }
        // A way to a whole array, looked for depth first; all its places can be completed.
        Dictionary<int[], int[]?> cameFrom = new(SequenceComparer.Instance);
        Stack<int[]> pending = new();
        Reach([.. counted, Place(index)], null);
        while (pending.TryPop(out int[]? at))
        {
            int[] before = at[..^1];
            if (_completable.Contains(at) || (at[^1] >= Min && IsMet(before)))
            {
                for (int[]? on = at; on is not null; on = cameFrom[on])
                {
                    _completable.Add(on);
                }
                return true;
            }
            foreach (int counts in at[^1] < Max ? Counts(at[^1]) : [])
            {
                // From where all items are alike one that changes nothing brings nothing nearer.
                if ((counts != 0 || at[^1] < Settled) && After(before, counts) is int[] after && Item(at[^1], counts).IsProductive)
                {
                    Reach([.. after, Place(at[^1] + 1)], at);
                }
            }
        }
        return false;

        void Reach(int[] place, int[]? from)
        {
            if (cameFrom.TryAdd(place, from))
            {
                program.Budget.CheckTime();
                pending.Push(place);
            }
        }
    }

    private int Place(int index) => Max == int.MaxValue ? Math.Min(index, Settled) : index;
}
