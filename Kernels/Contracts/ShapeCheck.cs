using System.Diagnostics.CodeAnalysis;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Argument checks of the rooms: an operand that is not what the operation takes is named, with what was given and what was
/// wanted. Each operation has its tensors checked here, one by one, before it does anything.
/// </summary>
internal static class ShapeCheck
{
    /// <summary>Throws unless <paramref name="tensor"/> lies in <paramref name="place"/> and is [rows, columns] of <paramref name="type"/>.</summary>
    public static void Require(Tensor tensor, MemoryPlace place, int rows, int columns, string name, ElementType type = ElementType.F32)
    {
        if (tensor.Place != place || tensor.Type != type)
        {
            ThrowKind(tensor, place, type, name);
        }
        if (tensor.Rows != rows || tensor.Columns != columns)
        {
            ThrowShape(tensor, rows, columns, name);
        }
    }

    /// <summary>As the other for a tensor of any shape that has so many elements.</summary>
    public static void Require(Tensor tensor, MemoryPlace place, long elements, string name, ElementType type = ElementType.F32)
    {
        if (tensor.Place != place || tensor.Type != type)
        {
            ThrowKind(tensor, place, type, name);
        }
        if (tensor.Elements != elements)
        {
            ThrowCount(tensor, elements, name);
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
    private static void ThrowKind(Tensor tensor, MemoryPlace place, ElementType type, string name) =>
        throw new ArgumentException($"{name} is {Kind(tensor.Type, tensor.Place)}, expected {Kind(type, place)}.", name);

    [DoesNotReturn]
    private static void ThrowShape(Tensor tensor, int rows, int columns, string name) =>
        throw new ArgumentException($"{name} is [{tensor.Rows}, {tensor.Columns}], expected [{rows}, {columns}].", name);

    [DoesNotReturn]
    private static void ThrowCount(Tensor tensor, long elements, string name) =>
        throw new ArgumentException($"{name} is [{tensor.Rows}, {tensor.Columns}], and {elements} elements do not fill it.", name);

    [DoesNotReturn]
    private static void ThrowMessage(string message, string name) => throw new ArgumentException(message, name);

    private static string Kind(ElementType type, MemoryPlace place) => $"{type} {(place == MemoryPlace.Host ? "on the host" : "on a device")}";
}
