using System.Runtime.InteropServices;

namespace Llama4Kernels.Tests.PtxEmulator;

/// <summary>Numbers among the arguments of a launch that a test makes itself.</summary>
internal static class ScalarArgument
{
    /// <summary>Writes a number where parameter space has it; null leaves zeros.</summary>
    public static void Write(Span<byte> place, object? value)
    {
        switch (value)
        {
            case int number:
                MemoryMarshal.Write(place, number);
                break;
            case long number:
                MemoryMarshal.Write(place, number);
                break;
            case float number:
                MemoryMarshal.Write(place, number);
                break;
            default:
                Assert.Null(value);
                break;
        }
    }
}
