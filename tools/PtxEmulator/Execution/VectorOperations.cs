using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>The operations that kernels spend their time in, over vectors of lanes.</summary>
internal static class VectorOperations
{
    /// <summary>Every NaN result is 0x7FFFFFFF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Canonical(Vector512<float> value) => Vector512.ConditionalSelect(
        Vector512.Equals(value, value).AsUInt32(), value.AsUInt32(), Vector512.Create(0x7FFF_FFFFu));

    internal readonly struct Add32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a + b;
    }

    internal readonly struct Sub32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a - b;
    }

    internal readonly struct Mul32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a * b;
    }

    internal readonly struct Mad32 : IVector3
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c) => (a * b) + c;
    }

    internal readonly struct And32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a & b;
    }

    internal readonly struct Or32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a | b;
    }

    internal readonly struct Xor32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a ^ b;
    }

    internal readonly struct Move32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => a;
    }

    internal readonly struct MinSigned32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.Min(a.AsInt32(), b.AsInt32()).AsUInt32();
    }

    internal readonly struct MaxSigned32 : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.Max(a.AsInt32(), b.AsInt32()).AsUInt32();
    }

    internal readonly struct AddFloat : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Canonical(a.AsSingle() + b.AsSingle());
    }

    internal readonly struct SubFloat : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Canonical(a.AsSingle() - b.AsSingle());
    }

    internal readonly struct MulFloat : IVector2
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Canonical(a.AsSingle() * b.AsSingle());
    }

    internal readonly struct FmaFloat : IVector3
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c) =>
            Canonical(Vector512.FusedMultiplyAdd(a.AsSingle(), b.AsSingle(), c.AsSingle()));
    }

    internal readonly struct Add64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a + b;
    }

    internal readonly struct Sub64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a - b;
    }

    internal readonly struct Mul64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a * b;
    }

    internal readonly struct And64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a & b;
    }

    internal readonly struct Or64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a | b;
    }

    internal readonly struct Xor64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a ^ b;
    }

    internal readonly struct Move64 : IVector2Wide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => a;
    }

    internal readonly struct Equal32 : IVectorTest
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.Equals(a, b);
    }

    internal readonly struct NotEqual32 : IVectorTest
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => ~Vector512.Equals(a, b);
    }

    internal readonly struct LessSigned32 : IVectorTest
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.LessThan(a.AsInt32(), b.AsInt32()).AsUInt32();
    }

    internal readonly struct LessOrEqualSigned32 : IVectorTest
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.LessThanOrEqual(a.AsInt32(), b.AsInt32()).AsUInt32();
    }

    internal readonly struct LessUnsigned32 : IVectorTest
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.LessThan(a, b);
    }

    internal readonly struct LessOrEqualUnsigned32 : IVectorTest
    {
        public static Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b) => Vector512.LessThanOrEqual(a, b);
    }

    internal readonly struct LessSigned64 : IVectorTestWide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => Vector512.LessThan(a.AsInt64(), b.AsInt64()).AsUInt64();
    }

    internal readonly struct LessOrEqualSigned64 : IVectorTestWide
    {
        public static Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b) => Vector512.LessThanOrEqual(a.AsInt64(), b.AsInt64()).AsUInt64();
    }
}
