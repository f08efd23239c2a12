namespace Llama4Kernels.Kernels.Ptx;

/// <summary>What a register holds. The type decides which instructions take it; a mistake does not compile.</summary>
internal interface IRegisterType
{
    /// <summary>Its state in a declaration: ".b32" and so on. Assemblers want tensor operands untyped.</summary>
    static abstract string State { get; }

    /// <summary>For people, in a module's header.</summary>
    static abstract string Description { get; }
}

/// <summary>An address in one state space: only accesses of that space take it.</summary>
internal interface IAddressType : IRegisterType
{
}

/// <summary>A 32-bit integer or plain bits.</summary>
internal readonly struct U32 : IRegisterType
{
    public static string State => ".b32";

    public static string Description => "u32";
}

/// <summary>A 64-bit integer.</summary>
internal readonly struct U64 : IRegisterType
{
    public static string State => ".b64";

    public static string Description => "u64";
}

/// <summary>A float32.</summary>
internal readonly struct F32 : IRegisterType
{
    public static string State => ".f32";

    public static string Description => "f32";
}

/// <summary>Two numbers of 16 bits, the first in the lower half: what matrix instructions take.</summary>
internal interface IPairType : IRegisterType
{
    /// <summary>Their type in an instruction.</summary>
    static abstract string Element { get; }
}

/// <summary>Two bfloat16.</summary>
internal readonly struct Bf16x2 : IPairType
{
    public static string State => ".b32";

    public static string Description => "bf16 x 2";

    public static string Element => "bf16";
}

/// <summary>Two float16.</summary>
internal readonly struct F16x2 : IPairType
{
    public static string State => ".b32";

    public static string Description => "f16 x 2";

    public static string Element => "f16";
}

/// <summary>16 bits.</summary>
internal readonly struct B16 : IRegisterType
{
    public static string State => ".b16";

    public static string Description => "b16";
}

/// <summary>True or false.</summary>
internal readonly struct Predicate : IRegisterType
{
    public static string State => ".pred";

    public static string Description => "predicate";
}

/// <summary>How long L2 keeps what an access brings.</summary>
internal readonly struct CachePolicy : IRegisterType
{
    public static string State => ".b64";

    public static string Description => "cache policy";
}

/// <summary>An address in global memory.</summary>
internal readonly struct GlobalAddress : IAddressType
{
    public static string State => ".b64";

    public static string Description => "global address";
}

/// <summary>An address in the block's shared memory.</summary>
internal readonly struct SharedAddress : IAddressType
{
    public static string State => ".b32";

    public static string Description => "shared address";
}
