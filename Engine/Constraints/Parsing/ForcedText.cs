using System.Text;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Finds the text that is the only way on and the tokens that the tokenizer makes of it. Tokens at its end that could become others
/// together with what follows are left to the model.
/// </summary>
internal static class ForcedText
{
    private const int MaxBytes = 512;
    private const int MaxProbes = 32;

    public static int[] TokensOf(Machine machine, MachineState state)
    {
        List<byte> bytes = [];
        while (bytes.Count < MaxBytes && OnlyByte(machine, state) is byte value)
        {
            bytes.Add(value);
            state = machine.Next(state, value);
        }
        // Whole characters only: one that a token has begun is for the model to end.
        int whole = bytes.Count > 0 && (bytes[0] & 0xC0) == 0x80 ? 0 : bytes.Count;
        while (whole > 0 && Rune.DecodeLastFromUtf8(bytes.ToArray().AsSpan(0, whole), out _, out _) != System.Buffers.OperationStatus.Done)
        {
            whole--;
        }
        if (whole == 0)
        {
            return [];
        }
        Llama4Tokenizer tokenizer = machine.Vocabulary.Tokenizer;
        string text = Encoding.UTF8.GetString([.. bytes[..whole]]);
        int[] tokens = tokenizer.Encode(text);
        if (whole == bytes.Count && state.Heads.Length == 0)
        {
            return tokens;
        }
        int kept = tokens.Length - 1;
        foreach (char next in whole < bytes.Count ? ['é'] : Probes(machine, state))
        {
            kept = Math.Min(kept, tokens.AsSpan().CommonPrefixLength(tokenizer.Encode(text + next)));
        }
        return tokens[..Math.Max(kept, 0)];
    }

    private static byte? OnlyByte(Machine machine, MachineState state)
    {
        if (state.MayEnd)
        {
            return null;
        }
        int only = -1;
        foreach (MachineState.Head head in state.Heads)
        {
            if (head.State == 0 && head.Terminal.SkipsSpace)
            {
                return null;
            }
            for (int value = 0; value < 256; value++)
            {
                if (value != only && head.Terminal.Automaton.Next(head.State, (byte)value) != Automaton.Dead)
                {
                    if (only >= 0)
                    {
                        return null;
                    }
                    only = value;
                }
            }
        }
        // A terminal may be alive and what follows it not; the machine knows.
        return only >= 0 && !ReferenceEquals(machine.Next(state, (byte)only), MachineState.Dead) ? (byte)only : null;
    }

    private static IEnumerable<char> Probes(Machine machine, MachineState state) =>
        Enumerable.Range(0, 128)
            .Where(value => !ReferenceEquals(machine.Next(state, (byte)value), MachineState.Dead))
            .Select(value => (char)value)
            .OrderBy(char.IsLetterOrDigit)
            .Take(MaxProbes);
}
