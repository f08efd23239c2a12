namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>What a terminal is to the elements of an object or array: the keys of the one, the items of the other.</summary>
[Flags]
internal enum ElementMark
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>It opens an object or array, and the first element may follow.</summary>
    Open = 1,

    /// <summary>It closes an object or array, and ends an array's last item.</summary>
    Close = 2,

    /// <summary>The next element follows; an item ends.</summary>
    Next = 4,

    /// <summary>A key ends.</summary>
    KeyEnd = 8,

    /// <summary>The element that it ends must differ from those before it in the same object or array.</summary>
    Distinct = 16,
}
