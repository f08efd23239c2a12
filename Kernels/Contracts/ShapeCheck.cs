using System.Diagnostics.CodeAnalysis;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Argument checks of the rooms: a wrong shape names what was given and what was wanted.</summary>
internal static class ShapeCheck
{
    /// <summary>Throws unless <paramref name="tensor"/> is [rows, columns].</summary>
    public static void Require(Tensor tensor, int rows, int columns, string name)
    {
        if (tensor.Rows != rows || tensor.Columns != columns)
        {
            ThrowShape(tensor, rows, columns, name);
        }
    }

    /// <summary>
    /// Throws <see cref="ArgumentException"/> with <paramref name="message"/> unless the condition holds. The message is a
    /// constant: composing it would allocate on every call.
    /// </summary>
    public static void Require([DoesNotReturnIf(false)] bool condition, string message, string name)
    {
        if (!condition)
        {
            ThrowMessage(message, name);
        }
    }

    [DoesNotReturn]
    private static void ThrowShape(Tensor tensor, int rows, int columns, string name) =>
        throw new ArgumentException($"{name} is [{tensor.Rows}, {tensor.Columns}], expected [{rows}, {columns}].", name);

    [DoesNotReturn]
    private static void ThrowMessage(string message, string name) => throw new ArgumentException(message, name);
}
