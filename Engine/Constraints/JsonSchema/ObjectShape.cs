using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Objects: named properties in the order that they are written, then others, listed or by classes of names; how many, and which must be
/// among them.
/// </summary>
internal sealed class ObjectShape(
    SchemaProgram program, ObjectShape.Property[] properties, ObjectShape.Property[] listed, Dfa names, ObjectShape.NameClass[] classes,
    int min, int max, int?[] demands)
{
    private const int Impossible = int.MaxValue / 2;

    // required[i]: required properties from i on.
    private readonly int[] _required = CountRequired(properties);

    public Property[] Properties => properties;

    /// <summary>Other properties whose names are few, in any order; at most 64, none required.</summary>
    public Property[] Listed => listed;

    /// <summary>Names of other properties, tagged with their class; named properties take precedence.</summary>
    public Dfa Names { get; private set; } = names;

    public NameClass[] Classes => classes;

    /// <summary>How many names the classes have; int.MaxValue if that is no bound.</summary>
    public int Others { get; private set; } = CountOthers(names, properties);

    public int Min => min;

    public int Max => max;

    /// <summary>A bit for each property that must be there whatever its name.</summary>
    public int AllDemands => (1 << demands.Length) - 1;

    /// <summary>The demands that a property may newly count for, in all combinations.</summary>
    /// <param name="matching">Demands that its name counts for.</param>
    /// <param name="met">Demands met before.</param>
    public IEnumerable<int> Counts(int matching, int met)
    {
        int open = matching & ~met;
        for (int counts = 0; counts <= open; counts++)
        {
            // A demand of nothing but a name is met by the name.
            if ((counts & ~open) == 0 && Enumerable.Range(0, demands.Length).All(i => demands[i] is not null || ((open & ~counts) >> i & 1) == 0))
            {
                yield return counts;
            }
        }
    }

    /// <summary>What a value may be that counts for some demands.</summary>
    public SchemaSet Value(SchemaSet value, int counts)
    {
        List<int> literals = [.. value.Literals];
        for (int i = 0; i < demands.Length; i++)
        {
            if ((counts >> i & 1) != 0 && demands[i] is int literal)
            {
                literals.Add(literal);
            }
        }
        return literals.Count == value.Literals.Length ? value : program.Intern(literals, value.Scope, value.WrittenOneWay);
    }

    /// <summary>All that values can be.</summary>
    public IEnumerable<SchemaSet> Values() =>
        properties.Concat(listed).SelectMany(property => Counts(property.Demands, 0).Select(counts => Value(property.Value, counts)))
            .Concat(classes.SelectMany(names => Counts(names.Demands, 0).Select(counts => Value(names.Value, counts))));

    /// <summary>Whether there is such an object, as far as the values known to exist tell.</summary>
    public bool IsProductive() =>
        properties.All(property => !property.Required || property.Value.IsProductive) && CanComplete(0, 0, 0, 0, 0);

    /// <summary>Takes out the classes of names without values, once all values that exist are known.</summary>
    public void Settle(ConstraintBudget budget)
    {
        if (!classes.All(names => names.Value.IsProductive))
        {
            Names = DfaOperations.Combine([Names], tags => tags[0] >= 0 && classes[tags[0]].Value.IsProductive ? tags[0] : -1, budget);
            Others = CountOthers(Names, properties);
        }
    }

    /// <summary>The objects that have no property but those that are named or listed.</summary>
    public ObjectShape WithoutOthers() => new(program, properties, listed, DfaOperations.Nothing, [], min, max, demands);

    /// <summary>Required properties from an index on.</summary>
    public int RequiredFrom(int position) => _required[position];

    /// <summary>Whether an object can be completed.</summary>
    /// <param name="position">The named properties before this one are written or passed over.</param>
    /// <param name="count">Properties written, at most as many as make a difference.</param>
    /// <param name="met">Demands met.</param>
    /// <param name="used">Listed properties written, as bits.</param>
    /// <param name="others">Properties of the classes written, where their names are limited.</param>
    public bool CanComplete(int position, int count, int met, ulong used, int others)
    {
        int least = Math.Max(Needed(position, met, used), min - count);
        if (least >= Impossible || (max != int.MaxValue && count + least > max))
        {
            return false;
        }
        bool hasOthers = !Names.IsEmpty && classes.Any(names => names.Value.IsProductive);
        if (least <= 0 || (hasOthers && Others == int.MaxValue))
        {
            return true;
        }
        int available = hasOthers ? Others - others : 0;
        for (int i = position; i < properties.Length; i++)
        {
            available += properties[i].Value.IsProductive ? 1 : 0;
        }
        for (int i = 0; i < listed.Length; i++)
        {
            available += (used >> i & 1) == 0 && listed[i].Value.IsProductive ? 1 : 0;
        }
        return available >= least;
    }

    // The fewest properties that are still needed, where one may meet several demands.
    private int Needed(int position, int met, ulong used)
    {
        int missing = AllDemands & ~met;
        if (missing == 0)
        {
            return _required[position];
        }
        int[] fewest = [.. Enumerable.Repeat(Impossible, missing + 1)];
        fewest[0] = 0;
        for (int i = position; i < properties.Length; i++)
        {
            fewest = With(fewest, properties[i].Value, properties[i].Demands & missing, properties[i].Required);
        }
        for (int i = 0; i < listed.Length; i++)
        {
            if ((used >> i & 1) == 0)
            {
                fewest = With(fewest, listed[i].Value, listed[i].Demands & missing, false);
            }
        }
        foreach (NameClass names in classes)
        {
            // As often as there are demands: there are more names than that.
            for (int round = 0; round < demands.Length; round++)
            {
                fewest = With(fewest, names.Value, names.Demands & missing, false);
            }
        }
        return fewest[missing];
    }

    private int[] With(int[] fewest, SchemaSet value, int matching, bool isRequired)
    {
        if (matching == 0)
        {
            return isRequired ? [.. fewest.Select(count => Math.Min(count + 1, Impossible))] : fewest;
        }
        int[] result = isRequired ? [.. Enumerable.Repeat(Impossible, fewest.Length)] : [.. fewest];
        foreach (int counts in Counts(matching, 0).Where(counts => Value(value, counts).IsProductive))
        {
            for (int before = 0; before < fewest.Length; before++)
            {
                int after = before | counts;
                if (after < result.Length)
                {
                    result[after] = Math.Min(result[after], fewest[before] + 1);
                }
            }
        }
        return result;
    }

    private static int CountOthers(Dfa names, Property[] properties)
    {
        int count = ValueCount.Words(names);
        return count == ValueCount.Unlimited ? int.MaxValue : count - properties.Count(property => names.TagOf(property.Name) >= 0);
    }

    private static int[] CountRequired(Property[] properties)
    {
        int[] required = new int[properties.Length + 1];
        for (int i = properties.Length - 1; i >= 0; i--)
        {
            required[i] = required[i + 1] + (properties[i].Required ? 1 : 0);
        }
        return required;
    }

    /// <summary>A named property.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Value">What its value is.</param>
    /// <param name="Required">Whether it must be there.</param>
    /// <param name="Demands">A bit for each demand that its name counts for.</param>
    public sealed record Property(string Name, SchemaSet Value, bool Required, int Demands);

    /// <summary>Other names that are treated alike.</summary>
    public sealed record NameClass(SchemaSet Value, int Demands);
}
