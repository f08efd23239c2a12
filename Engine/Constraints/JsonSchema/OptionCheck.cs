namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Tells ways to meet a condition that cannot be gone, or need not because what is known says as much: without it alternatives that
/// are the same or empty multiply.
/// </summary>
/// <param name="clausesOf">The clauses of the schema of a literal.</param>
/// <param name="areDisjoint">Whether two literals plainly hold for no common value, as far as that is found with little work.</param>
internal sealed class OptionCheck(Func<int, List<Clause>> clausesOf, Func<int, int, bool> areDisjoint)
{
    // References to references, and what those are made of, are followed so far.
    private const int MaxDepth = 4;

    /// <summary>The types of a conjunct's values for which a way is open.</summary>
    public TypeSet Open(Option option, Conjunct conjunct)
    {
        TypeSet types = option.Types & conjunct.Types;
        if (Array.Exists(option.Literals, literal => Holds(literal ^ 1, conjunct, MaxDepth)))
        {
            return TypeSet.None;
        }
        return (types & TypeSet.Object) != 0 && IsClosedToObjects(option, conjunct) ? types & ~TypeSet.Object : types;
    }

    /// <summary>Whether all values of a conjunct go a way already.</summary>
    public bool IsMet(Option option, Conjunct conjunct) =>
        option.Apply is null
        && (conjunct.Types & ~option.Types) == 0
        && Array.TrueForAll(option.Literals, literal => Holds(literal, conjunct, MaxDepth))
        && ((conjunct.Types & TypeSet.Object) == 0 || IsMetByObjects(option, conjunct));

    /// <summary>Whether an object would need a property whose value cannot be.</summary>
    public bool IsContradictory(Conjunct conjunct)
    {
        if (conjunct.ObjectParts.Count + conjunct.Named.Count < 2)
        {
            return false;
        }
        foreach (string name in conjunct.Required)
        {
            int[] literals = [.. Literals(conjunct, name)];
            for (int i = 0; i < literals.Length; i++)
            {
                if (literals.AsSpan(0, i).ContainsAnyExcept(literals[i]) && Array.Exists(literals[..i], other => Excludes(other, literals[i])))
                {
                    return true;
                }
            }
        }
        return false;
    }

    // Whether a literal is known to hold for all values of a conjunct.
    private bool Holds(int literal, Conjunct conjunct, int depth)
    {
        if (literal == SchemaLiterals.True || conjunct.HasSeen(literal))
        {
            return true;
        }
        if (literal == SchemaLiterals.False || depth == 0)
        {
            return false;
        }
        return (literal & 1) == 0
            ? clausesOf(literal).TrueForAll(clause => clause.IsImplied(conjunct, other => Holds(other, conjunct, depth - 1)))
            : clausesOf(literal).Exists(clause => clause is Clause.Demand demand && Holds(demand.Literal ^ 1, conjunct, depth - 1));
    }

    private bool IsClosedToObjects(Option option, Conjunct conjunct) =>
        Array.Exists(option.Present, conjunct.Forbidden.Contains)
        || Array.Exists(option.Absent, conjunct.Required.Contains)
        || (option.Property is (string name, int literal)
            && (conjunct.Forbidden.Contains(name) || Literals(conjunct, name).Any(known => Excludes(known, literal))));

    private bool IsMetByObjects(Option option, Conjunct conjunct) =>
        Array.TrueForAll(option.Present, conjunct.Required.Contains)
        && Array.TrueForAll(option.Absent, conjunct.Forbidden.Contains)
        && (option.Property is not (string name, int literal)
            || (conjunct.Required.Contains(name)
                && (literal == SchemaLiterals.True || Literals(conjunct, name).Any(known => known == literal || Excludes(known, literal ^ 1)))));

    private bool Excludes(int first, int second) =>
        first == SchemaLiterals.False || second == SchemaLiterals.False || first == (second ^ 1) || areDisjoint(first, second);

    // What is known to hold for a property's value; where names are matched by patterns, not all.
    private static IEnumerable<int> Literals(Conjunct conjunct, string name)
    {
        foreach (ObjectPart part in conjunct.ObjectParts)
        {
            if (part.TryGet(name, out int literal))
            {
                yield return literal;
            }
            else if (part is { Patterns.Count: 0, Additional: int additional })
            {
                yield return additional;
            }
        }
        foreach ((string named, int literal) in conjunct.Named)
        {
            if (named == name)
            {
                yield return literal;
            }
        }
    }
}
