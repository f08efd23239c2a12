namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Types of JSON values; true and false count apart.</summary>
[Flags]
internal enum TypeSet
{
    None = 0,
    Null = 1,
    True = 2,
    False = 4,
    Number = 8,
    String = 16,
    Array = 32,
    Object = 64,
    Boolean = True | False,
    All = 127,
}
