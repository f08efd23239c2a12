namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Conditions that hold together, while they are collected: literals still to be looked at, choices still to be made, and what is known
/// for each type of value.
/// </summary>
internal sealed class Conjunct
{
    private readonly HashSet<int> _seen;

    public Conjunct() => _seen = [];

    private Conjunct(Conjunct other)
    {
        _seen = [.. other._seen];
        Pending = new Stack<int>(other.Pending.Reverse());
        Choices = [.. other.Choices];
        Types = other.Types;
        Numbers = [.. other.Numbers];
        Texts = [.. other.Texts];
        MinLength = other.MinLength;
        MaxLength = other.MaxLength;
        ArrayParts = [.. other.ArrayParts];
        Contains = [.. other.Contains];
        MinItems = other.MinItems;
        MaxItems = other.MaxItems;
        Unique = other.Unique;
        ObjectParts = [.. other.ObjectParts];
        Required = new SortedSet<string>(other.Required, StringComparer.Ordinal);
        Forbidden = new SortedSet<string>(other.Forbidden, StringComparer.Ordinal);
        Named = [.. other.Named];
        Names = [.. other.Names];
        Demands = [.. other.Demands];
        MinProperties = other.MinProperties;
        MaxProperties = other.MaxProperties;
    }

    public Stack<int> Pending { get; } = new();

    public List<IReadOnlyList<Option>> Choices { get; } = [];

    public TypeSet Types { get; private set; } = TypeSet.All;

    public HashSet<NumberTest> Numbers { get; } = [];

    public HashSet<TextTest> Texts { get; } = [];

    public int MinLength { get; private set; }

    public int MaxLength { get; private set; } = int.MaxValue;

    public List<ArrayPart> ArrayParts { get; } = [];

    public List<ContainsDemand> Contains { get; } = [];

    public int MinItems { get; private set; }

    public int MaxItems { get; private set; } = int.MaxValue;

    /// <summary>The schema that wants all items to differ; null if none does.</summary>
    public Subschema? Unique { get; set; }

    public List<ObjectPart> ObjectParts { get; } = [];

    public SortedSet<string> Required { get; } = new(StringComparer.Ordinal);

    public SortedSet<string> Forbidden { get; } = new(StringComparer.Ordinal);

    /// <summary>More that the values of named properties must be.</summary>
    public List<(string Name, int Literal)> Named { get; } = [];

    /// <summary>What all names must be.</summary>
    public HashSet<int> Names { get; } = [];

    public List<PropertyDemand> Demands { get; } = [];

    public int MinProperties { get; private set; }

    public int MaxProperties { get; private set; } = int.MaxValue;

    public Conjunct Clone() => new(this);

    /// <summary>Whether a literal is new here; one that meets its opposite leaves nothing.</summary>
    public bool See(int literal)
    {
        if (_seen.Contains(literal ^ 1))
        {
            Types = TypeSet.None;
            return false;
        }
        return _seen.Add(literal);
    }

    /// <summary>Whether a literal is known to hold.</summary>
    public bool HasSeen(int literal) => _seen.Contains(literal);

    public void Restrict(TypeSet types) => Types &= types;

    public void Demand(int literal) => Pending.Push(literal);

    public void Choose(IReadOnlyList<Option> options) => Choices.Add(options);

    public void Require(string name)
    {
        Required.Add(name);
        if (Forbidden.Contains(name))
        {
            Restrict(~TypeSet.Object);
        }
    }

    public void Forbid(string name)
    {
        Forbidden.Add(name);
        if (Required.Contains(name))
        {
            Restrict(~TypeSet.Object);
        }
    }

    public void LimitLength(int min, int max)
    {
        MinLength = Math.Max(MinLength, min);
        MaxLength = Math.Min(MaxLength, max);
        Drop(TypeSet.String, MinLength > MaxLength);
    }

    public void LimitItems(int min, int max)
    {
        MinItems = Math.Max(MinItems, min);
        MaxItems = Math.Min(MaxItems, max);
        Drop(TypeSet.Array, MinItems > MaxItems);
    }

    public void LimitProperties(int min, int max)
    {
        MinProperties = Math.Max(MinProperties, min);
        MaxProperties = Math.Min(MaxProperties, max);
        Drop(TypeSet.Object, MinProperties > MaxProperties);
    }

    private void Drop(TypeSet type, bool empty) => Types &= empty ? ~type : TypeSet.All;
}
