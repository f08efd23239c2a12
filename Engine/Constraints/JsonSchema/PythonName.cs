namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// Names of functions and parameters in calls in Python's form. Tools are named as their hosts like it, and a model writes the names that
/// it was told: so are names written that Python would not have, as long as calls with them are read as they were meant.
/// </summary>
internal static class PythonName
{
    /// <summary>What a parameter's name may have besides letters, digits and the underscore.</summary>
    public const string ParameterSigns = "-./:$@";

    /// <summary>Refuses a function's name that a call cannot be read with.</summary>
    /// <param name="name">The name.</param>
    /// <param name="place">Where it stands, for the error.</param>
    public static void CheckFunction(string name, string place)
    {
        if (name.Length == 0 || name.Contains('(') || name.Any(char.IsControl) || name != name.Trim())
        {
            throw Error(name, place);
        }
    }

    /// <summary>Refuses a parameter's name that a call cannot be read with.</summary>
    /// <inheritdoc cref="CheckFunction" path="/param"/>
    public static void CheckParameter(string name, string place)
    {
        if (name.Length == 0 || char.IsDigit(name[0]) || !name.All(IsParameterSign))
        {
            throw Error(name, place);
        }
    }

    /// <summary>Whether a sign may stand in a parameter's name.</summary>
    public static bool IsParameterSign(char sign) => char.IsLetterOrDigit(sign) || sign == '_' || ParameterSigns.Contains(sign);

    private static ConstraintException Error(string name, string place) =>
        new("name", place, $"'{name}' is no name that a call in the Python form can have; call the tool in the JSON form.");
}
