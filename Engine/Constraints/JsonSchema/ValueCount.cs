using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Counts the values of sets, to see how many items an array can have that must all differ.</summary>
internal sealed class ValueCount(SchemaProgram program)
{
    /// <summary>As many as need not be counted.</summary>
    public const int Unlimited = 100_000;

    private const int MaxNesting = 8;

    /// <summary>The values of a set, as far as sets are known to have values; <see cref="Unlimited"/> if they are so many or more.</summary>
    /// <param name="set">The set.</param>
    /// <returns>The count, and whether it is exact; it is never too small.</returns>
    public (int Count, bool Exact) Of(SchemaSet set) => Of(set, 0);

    /// <summary>
    /// Whether in each object within the values of a set either all properties come in one order, or more can always be added, so that it
    /// becomes equal to another one in its last brace and not before.
    /// </summary>
    public static bool AreTold(SchemaSet set)
    {
        HashSet<SchemaSet> seen = [set];
        Queue<SchemaSet> pending = new([set]);
        while (pending.TryDequeue(out SchemaSet? next))
        {
            ValueShape shape = next.Shape!;
            if (shape.Objects.Exists(entry => (entry.Listed.Length > 1 || !entry.Names.IsEmpty) && !CanGrow(entry)))
            {
                return false;
            }
            foreach (SchemaSet value in shape.Objects.SelectMany(entry => entry.Values()).Concat(shape.Arrays.SelectMany(entry => entry.Items())))
            {
                if (value.IsProductive && seen.Add(value))
                {
                    pending.Enqueue(value);
                }
            }
        }
        return true;
    }

    private static bool CanGrow(ObjectShape entry) => entry.Max == int.MaxValue && entry.Others == int.MaxValue && !entry.Names.IsEmpty;

    /// <summary>Texts of an automaton, at most <see cref="Unlimited"/>.</summary>
    public static int Words(Dfa dfa)
    {
        if (dfa.IsEmpty)
        {
            return 0;
        }
        int[] sizes = new int[dfa.Classes.Count];
        for (int run = 0; run < dfa.Classes.RunStarts.Length; run++)
        {
            int end = run + 1 < dfa.Classes.RunStarts.Length ? dfa.Classes.RunStarts[run + 1] : CodePointSet.Last + 1;
            sizes[dfa.Classes.RunClasses[run]] += end - dfa.Classes.RunStarts[run];
        }
        // From each state on; 0 where it is not known yet, for every state leads to acceptance.
        int[] counts = new int[dfa.StateCount];
        bool[] open = new bool[dfa.StateCount];
        Stack<(int State, int Class)> path = new([(0, 0)]);
        open[0] = true;
        while (path.TryPop(out (int State, int Class) at))
        {
            if (at.Class == sizes.Length)
            {
                counts[at.State] = CountFrom(dfa, at.State, sizes, counts);
                open[at.State] = false;
                continue;
            }
            path.Push((at.State, at.Class + 1));
            int next = dfa.NextByClass(at.State, at.Class);
            if (next == Dfa.Dead || counts[next] > 0)
            {
                continue;
            }
            if (open[next])
            {
                // A way that comes back can be gone any number of times.
                return Unlimited;
            }
            open[next] = true;
            path.Push((next, 0));
        }
        return counts[0];
    }

    private static int CountFrom(Dfa dfa, int state, int[] sizes, int[] counts)
    {
        long count = dfa.Tags[state] >= 0 ? 1 : 0;
        for (int c = 0; c < sizes.Length; c++)
        {
            int next = dfa.NextByClass(state, c);
            count += next == Dfa.Dead ? 0 : Math.Min((long)sizes[c] * counts[next], Unlimited);
        }
        return (int)Math.Min(count, Unlimited);
    }

    private (int Count, bool Exact) Of(SchemaSet set, int depth)
    {
        if (!set.IsProductive)
        {
            return (0, true);
        }
        if (depth > MaxNesting)
        {
            return (Unlimited, true);
        }
        ValueShape shape = set.Shape!;
        long count = System.Numerics.BitOperations.PopCount((uint)shape.Simple);
        count += shape.Texts.TrueForAll(texts => texts.Words is not null)
            ? shape.Texts.SelectMany(texts => texts.Words!).Distinct(StringComparer.Ordinal).Count()
            : Words(program.Texts(set));
        count += Words(
            shape.Numbers.Aggregate(
                DfaOperations.Nothing,
                (all, numbers) => DfaOperations.Union(all, NumberAutomata.InOneWay(numbers.Key, numbers.Dfa, program.Library, program.Budget), program.Budget)));
        bool exact = shape.Arrays.Count + shape.Objects.Count < 2;
        foreach (ArrayShape array in shape.Arrays.Where(array => array.IsProductive()))
        {
            count += Arrays(array, depth, ref exact);
        }
        foreach (ObjectShape entry in shape.Objects.Where(entry => entry.IsProductive()))
        {
            count += Objects(entry, depth, ref exact);
        }
        return ((int)Math.Min(count, Unlimited), exact || count >= Unlimited);
    }

    private long Arrays(ArrayShape array, int depth, ref bool exact)
    {
        exact &= array.Demands.Count == 0 && !array.IsUnique;
        long count = 0;
        long ways = 1;
        for (int length = 0; ways > 0; length++)
        {
            count += length >= array.Min ? ways : 0;
            if (count >= Unlimited || length > Unlimited)
            {
                return Unlimited;
            }
            if (length == array.Max)
            {
                break;
            }
            (int items, bool itemsExact) = Of(array.Item(length, 0), depth + 1);
            exact &= itemsExact;
            ways = Math.Min(ways * items, Unlimited);
        }
        return count;
    }

    private long Objects(ObjectShape entry, int depth, ref bool exact)
    {
        exact &= entry.AllDemands == 0 && entry.Max == int.MaxValue && entry.Min <= entry.RequiredFrom(0);
        if (!entry.Names.IsEmpty)
        {
            return Unlimited;
        }
        long count = 1;
        foreach (ObjectShape.Property property in entry.Properties.Concat(entry.Listed))
        {
            (int values, bool valuesExact) = Of(property.Value, depth + 1);
            exact &= valuesExact;
            count = Math.Min(count * (values + (property.Required ? 0 : 1)), Unlimited);
        }
        return count;
    }
}
