using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>
/// Bytes that a thread has on the way from global memory at once, from the text: loads count from their place to the first
/// use of their result, asynchronous copies to the wait that covers them. Jumps are ignored, and an assembler may move loads
/// up: the figure is a guess to start from.
/// </summary>
public static class LoadsInFlight
{
    /// <summary>Of an entry of a module.</summary>
    /// <exception cref="ArgumentException">There is no such entry.</exception>
    public static long BytesPerThread(PtxModule module, string entry)
    {
        ArgumentNullException.ThrowIfNull(module);
        return BytesPerThread(module.Functions.FirstOrDefault(function => function.IsEntry && function.Name == entry)
            ?? throw new ArgumentException($"The module has no entry '{entry}'.", nameof(entry)));
    }

    internal static long BytesPerThread(FunctionSymbol function)
    {
        var loads = new List<(HashSet<string> Registers, int Bytes)>();
        var groups = new List<long>();
        long open = 0;
        long most = 0;
        foreach (PtxInstruction instruction in function.Body)
        {
            IReadOnlyList<string> opcode = instruction.Opcode;
            bool load = opcode[0] is "ld" or "ldu" && opcode.Contains("global");
            HashSet<string> read = [.. instruction.Operands.Skip(load ? 1 : 0).SelectMany(Names)];
            // Loads return in order: a use waits for its load and for those before.
            loads.RemoveRange(0, loads.FindLastIndex(one => one.Registers.Overlaps(read)) + 1);
            if (load)
            {
                int width = opcode.Contains("v8") ? 8 : opcode.Contains("v4") ? 4 : opcode.Contains("v2") ? 2 : 1;
                loads.Add(([.. Names(instruction.Operands[0])], width * PtxTypes.Bytes(opcode[^1])));
            }
            else if (opcode is ["cp", "async", "ca" or "cg", ..])
            {
                open += (long)instruction.Operands[2].Bits;
            }
            else if (opcode is ["cp", "async", "commit_group"])
            {
                groups.Add(open);
                open = 0;
            }
            else if (opcode is ["cp", "async", "wait_group"])
            {
                int kept = (int)Math.Min((ulong)groups.Count, instruction.Operands[0].Bits);
                groups.RemoveRange(0, groups.Count - kept);
            }
            else if (opcode is ["cp", "async", "wait_all"])
            {
                groups.Clear();
                open = 0;
            }
            most = Math.Max(most, loads.Sum(one => (long)one.Bytes) + groups.Sum() + open);
        }
        return most;
    }

    private static IEnumerable<string> Names(PtxOperand operand) =>
        operand.Parts.SelectMany(Names).Concat(operand.Name.Length > 0 ? [operand.Name] : []);
}
