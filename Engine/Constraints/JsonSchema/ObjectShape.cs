using System.Numerics;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Objects: named properties in the order that they are written, then others by classes of names, how many, and which must be among
/// them.
/// </summary>
internal sealed class ObjectShape(
    SchemaProgram program, ObjectShape.Property[] properties, Dfa names, ObjectShape.NameClass[] classes, int min, int max, int?[] demands)
{
    // required[i]: required properties from i on.
    private readonly int[] required = CountRequired(properties);

    public Property[] Properties => properties;

    /// <summary>Names of other properties, tagged with their class; named properties take precedence.</summary>
    public Dfa Names { get; private set; } = names;

    public NameClass[] Classes => classes;

    public int Min => min;

    public int Max => max;

    /// <summary>A bit for each property that must be there whatever its name.</summary>
    public int AllDemands => (1 << demands.Length) - 1;

    /// <summary>Whether a named property may be written, once all values that exist are known.</summary>
    public bool IsPossible(int property) => properties[property].Value is { } value && value.IsProductive;

    /// <summary>The demands that a property may newly count for, in all combinations.</summary>
    /// <param name="matching">Demands that its name counts for.</param>
    /// <param name="met">Demands met before.</param>
    public IEnumerable<int> Counts(int matching, int met)
    {
        int open = matching & ~met;
        for (int counts = 0; counts <= open; counts++)
        {
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
        return literals.Count == value.Literals.Length ? value : program.Intern(literals);
    }

    /// <summary>All that values can be.</summary>
    public IEnumerable<SchemaSet> Values() =>
        properties.SelectMany(property => Counts(property.Demands, 0).Select(counts => Value(property.Value, counts)))
            .Concat(classes.SelectMany(names => Counts(names.Demands, 0).Select(counts => Value(names.Value, counts))));

    /// <summary>Whether there is such an object, as far as the values known to exist tell.</summary>
    public bool IsProductive() =>
        properties.All(property => !property.Required || property.Value.IsProductive) && CanComplete(0, 0, 0);

    /// <summary>Takes out the classes of names without values, once all values that exist are known.</summary>
    public void Settle(ConstraintBudget budget)
    {
        if (!classes.All(names => names.Value.IsProductive))
        {
            Names = DfaOperations.Combine([Names], tags => tags[0] >= 0 && classes[tags[0]].Value.IsProductive ? tags[0] : -1, budget);
        }
    }

    /// <summary>Whether other properties than the named ones may be written.</summary>
    public bool IsOpen => !Names.IsEmpty;

    /// <summary>Required properties from an index on.</summary>
    public int RequiredFrom(int position) => required[position];

    /// <summary>Whether an object can be completed.</summary>
    /// <param name="position">The named properties before this one are written or passed over.</param>
    /// <param name="count">Properties written, at most as many as make a difference.</param>
    /// <param name="met">Demands met.</param>
    public bool CanComplete(int position, int count, int met)
    {
        int missing = AllDemands & ~met;
        bool open = IsOpen && classes.Any(names => names.Value.IsProductive);
        for (int i = 0; i < demands.Length; i++)
        {
            if ((missing >> i & 1) != 0 && !CanMeet(i, position))
            {
                return false;
            }
        }
        int least = Math.Max(required[position], Math.Max(min - count, missing == 0 ? 0 : 1));
        if (missing != 0)
        {
            // Demands are met by properties of their own at worst; required ones may serve.
            int serving = 0;
            for (int i = position; i < properties.Length; i++)
            {
                serving |= properties[i].Required ? properties[i].Demands : 0;
            }
            least = Math.Max(least, required[position] + BitOperations.PopCount((uint)(missing & ~serving)));
        }
        if (max != int.MaxValue && count + least > max)
        {
            return false;
        }
        if (open)
        {
            return true;
        }
        int available = 0;
        for (int i = position; i < properties.Length; i++)
        {
            available += IsPossible(i) ? 1 : 0;
        }
        return available >= least;
    }

    private bool CanMeet(int demand, int position)
    {
        int bit = 1 << demand;
        for (int i = position; i < properties.Length; i++)
        {
            if ((properties[i].Demands & bit) != 0 && Value(properties[i].Value, bit).IsProductive)
            {
                return true;
            }
        }
        return classes.Any(names => (names.Demands & bit) != 0 && Value(names.Value, bit).IsProductive);
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
