namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Names of functions and parameters in calls in Python's form.</summary>
internal static class PythonName
{
    /// <summary>Refuses what is none.</summary>
    /// <param name="name">The name.</param>
    /// <param name="place">Where it stands, for the error.</param>
    public static void Check(string name, string place)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0]) || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_'))
        {
            throw new ConstraintException("name", place, $"'{name}' is no name in Python; call the tool in the JSON form.");
        }
    }
}
