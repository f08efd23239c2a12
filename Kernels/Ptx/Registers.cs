using System.Globalization;

namespace Llama4Kernels.Kernels.Ptx;

/// <summary>A register of a type.</summary>
internal readonly record struct Reg<T>(string Name)
    where T : struct, IRegisterType
{
    public override string ToString() => Name;
}

/// <summary>Two registers that one access fills, or a fragment.</summary>
internal readonly record struct Vec2<T>(Reg<T> X, Reg<T> Y)
    where T : struct, IRegisterType
{
    public override string ToString() => $"{{{X}, {Y}}}";
}

/// <summary>Four registers that one access fills, or a fragment.</summary>
internal readonly record struct Vec4<T>(Reg<T> X, Reg<T> Y, Reg<T> Z, Reg<T> W)
    where T : struct, IRegisterType
{
    public Reg<T> this[int index] => index switch
    {
        0 => X,
        1 => Y,
        2 => Z,
        3 => W,
        _ => throw new ArgumentOutOfRangeException(nameof(index), index, "A vector has four registers."),
    };

    public override string ToString() => $"{{{X}, {Y}, {Z}, {W}}}";
}

/// <summary>A place in memory: a register and a constant number of bytes.</summary>
internal readonly record struct Address<T>(Reg<T> Base, int Offset)
    where T : struct, IAddressType
{
    public static implicit operator Address<T>(Reg<T> register) => new(register, 0);

    public override string ToString() => Offset == 0 ? $"[{Base}]" : string.Create(CultureInfo.InvariantCulture, $"[{Base}+{Offset}]");
}

/// <summary>A 32-bit source: a register or a constant.</summary>
internal readonly record struct Source32(string Text)
{
    public static implicit operator Source32(Reg<U32> register) => new(register.Name);

    public static implicit operator Source32(int value) => new(value.ToString(CultureInfo.InvariantCulture));

    public override string ToString() => Text;
}

/// <summary>A 64-bit source: a register or a constant.</summary>
internal readonly record struct Source64(string Text)
{
    public static implicit operator Source64(Reg<U64> register) => new(register.Name);

    public static implicit operator Source64(long value) => new(value.ToString(CultureInfo.InvariantCulture));

    public override string ToString() => Text;
}

/// <summary>A float32 source: a register or a constant.</summary>
internal readonly record struct SourceF32(string Text)
{
    public static implicit operator SourceF32(Reg<F32> register) => new(register.Name);

    public static implicit operator SourceF32(float value) =>
        new(string.Create(CultureInfo.InvariantCulture, $"0f{BitConverter.SingleToUInt32Bits(value):X8}"));

    public override string ToString() => Text;
}

/// <summary>A parameter of the kernel.</summary>
internal readonly record struct Parameter<T>(string Name)
    where T : struct, IRegisterType;

/// <summary>A place in the code to go to.</summary>
internal readonly record struct Label(string Name);

/// <summary>A part of the block's dynamic shared memory.</summary>
/// <param name="Offset">Its first byte.</param>
/// <param name="Bytes">Its size.</param>
internal readonly record struct SharedRegion(int Offset, int Bytes);

/// <summary>Makes addresses from registers.</summary>
internal static class AddressExtensions
{
    /// <summary>Some bytes behind where a register points.</summary>
    public static Address<T> At<T>(this Reg<T> register, int offset)
        where T : struct, IAddressType => new(register, offset);
}
