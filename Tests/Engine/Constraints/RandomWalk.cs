using System.Text;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Random choices among the tokens that a constraint allows, and the shortest way to an end after them.</summary>
/// <param name="Text">What they wrote.</param>
/// <param name="Choices">How many they were, without those of the way to the end.</param>
/// <param name="IsWhole">Whether the text may end.</param>
internal sealed record RandomWalk(string Text, int Choices, bool IsWhole)
{
    private const int MostRounds = 200;
    private const int MostStates = 50_000;

    private static readonly byte[] s_bytes = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];

    /// <summary>Walks until the answer may end and nothing follows or the dice say so, or until so many choices; then to the nearest end.</summary>
    /// <param name="constraint">The constraint.</param>
    /// <param name="tokenizer">Its vocabulary.</param>
    /// <param name="seed">Equal seeds walk equal ways.</param>
    /// <param name="choices">Choices at most.</param>
    public static RandomWalk Take(Constraint constraint, Llama4Tokenizer tokenizer, int seed, int choices)
    {
        Random random = new(seed);
        ITokenConstraint state = constraint.Start();
        TokenMask mask = new(tokenizer.VocabularySize);
        List<byte> text = [];
        int chosen = 0;
        while (chosen < choices && !(state.MayEnd && random.Next(8) == 0) && TakeOne(state, mask, tokenizer, random, text))
        {
            chosen++;
        }
        // The nearest end may repeat an element; then chance goes a little further.
        for (int round = 0; round < MostRounds && !state.MayEnd; round++)
        {
            foreach (byte value in NearestEnd(state))
            {
                int token = ConstraintChecks.TokenOf(value);
                state.Allow(mask);
                if (!mask[token])
                {
                    break;
                }
                text.Add(value);
                state.Accept(token);
            }
            for (int i = 0; i < 3 && !state.MayEnd; i++)
            {
                TakeOne(state, mask, tokenizer, random, text);
            }
        }
        return new RandomWalk(Encoding.UTF8.GetString([.. text]), chosen, state.MayEnd);
    }

    private static bool TakeOne(ITokenConstraint state, TokenMask mask, Llama4Tokenizer tokenizer, Random random, List<byte> text)
    {
        state.Allow(mask);
        if (mask.IsEmpty)
        {
            Assert.True(state.MayEnd, $"Nothing may follow {Encoding.UTF8.GetString([.. text])}");
            return false;
        }
        int[] allowed = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => mask[id])];
        int token = allowed[random.Next(allowed.Length)];
        text.AddRange(tokenizer.BytesOf(token));
        state.Accept(token);
        return true;
    }

    private static byte[] NearestEnd(ITokenConstraint from)
    {
        (Machine machine, MachineState start) = ((Matcher)from).Place;
        Dictionary<MachineState, (MachineState? From, byte Value)> reached = new() { [start] = (null, 0) };
        Queue<MachineState> pending = new([start]);
        while (pending.TryDequeue(out MachineState? state) && reached.Count < MostStates)
        {
            if (state.MayEnd)
            {
                List<byte> way = [];
                for (MachineState? at = state; reached[at].From is MachineState before; at = before)
                {
                    way.Add(reached[at].Value);
                }
                way.Reverse();
                return [.. way];
            }
            // Of the characters the plain ones will do, where there is a choice; a string that can end does.
            byte[] alive = [.. s_bytes.Where(value => !ReferenceEquals(machine.Next(state, value), MachineState.Dead))];
            byte[] plain = alive.Length > 40 && alive.Contains((byte)'"') ? [(byte)'"'] : [.. alive.Where(value => value is < 0x80 and not (byte)'\\')];
            foreach (byte value in plain.Length > 0 ? plain : alive)
            {
                MachineState next = machine.Next(state, value);
                if (!ReferenceEquals(next, MachineState.Dead) && reached.TryAdd(next, (state, value)))
                {
                    pending.Enqueue(next);
                }
            }
        }
        return [];
    }
}
