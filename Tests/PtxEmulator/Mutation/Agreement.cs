using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>What a buffer holds.</summary>
internal enum ElementFormat
{
    Bytes,
    F32,
    F64,
    F16,
    Bf16,
}

/// <summary>How close a result must be: within relative times the element, plus range times the largest element, plus absolute.</summary>
internal sealed record Agreement(ElementFormat Format, double Relative, double Range, double Absolute)
{
    public static Agreement Exact { get; } = new(ElementFormat.Bytes, 0, 0, 0);

    /// <summary>The first difference, or null.</summary>
    public string? Difference(byte[] expected, byte[] actual)
    {
        if (expected.AsSpan().SequenceEqual(actual))
        {
            return null;
        }
        if (Format == ElementFormat.Bytes)
        {
            int at = expected.AsSpan().CommonPrefixLength(actual);
            return $"byte {at} is {actual[at]}, expected {expected[at]}";
        }
        double[] wanted = Values(expected), got = Values(actual);
        int width = expected.Length / wanted.Length;
        double range = wanted.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        for (int i = 0; i < wanted.Length; i++)
        {
            // What nobody wrote must stay so; other results that are no numbers have any payload.
            bool unwritten = !expected.AsSpan(i * width, width).ContainsAnyExcept((byte)0xFF);
            bool equal = unwritten ? !actual.AsSpan(i * width, width).ContainsAnyExcept((byte)0xFF)
                : double.IsFinite(wanted[i]) ? Math.Abs(wanted[i] - got[i]) <= Relative * Math.Abs(wanted[i]) + Range * range + Absolute
                : wanted[i].Equals(got[i]);
            if (!equal)
            {
                return $"element {i} is {got[i]:g7}, expected {wanted[i]:g7}";
            }
        }
        return null;
    }

    private double[] Values(byte[] bytes) => Format switch
    {
        ElementFormat.F32 => Array.ConvertAll(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), value => (double)value),
        ElementFormat.F64 => MemoryMarshal.Cast<byte, double>(bytes).ToArray(),
        ElementFormat.F16 => Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(bytes).ToArray(), value => (double)value),
        _ => Array.ConvertAll(MemoryMarshal.Cast<byte, ushort>(bytes).ToArray(), value => (double)Bf16.ToSingle(value)),
    };
}
