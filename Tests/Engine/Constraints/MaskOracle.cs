using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Masks by definition: a token is allowed where its bytes lead on, one after another.</summary>
internal static class MaskOracle
{
    /// <summary>Goes a random way and compares the mask at every place; returns the places.</summary>
    public static int Walk(ITokenConstraint constraint, int seed, int most)
    {
        Machine machine = ConstraintChecks.MachineOf(constraint);
        VocabularyTrie vocabulary = machine.Vocabulary;
        Random random = new(seed);
        TokenMask mask = new(vocabulary.VocabularySize);
        MachineState state = machine.Start;
        string text = string.Empty;
        for (int place = 0; place < most; place++)
        {
            machine.MaskOf(state).CopyTo(mask);
            TokenMask expected = Of(machine, state);
            for (int id = 0; id < mask.Vocabulary; id++)
            {
                Assert.True(mask[id] == expected[id], $"After {text} the token {id} is {(mask[id] ? string.Empty : "not ")}allowed.");
            }
            int[] allowed = [.. Enumerable.Range(0, mask.Vocabulary).Where(id => mask[id])];
            if (allowed.Length == 0)
            {
                Assert.True(state.MayEnd, text);
                return place + 1;
            }
            // Now and then a short token, so that ways end.
            int token = allowed[random.Next(allowed.Length)];
            int other = allowed[random.Next(allowed.Length)];
            token = vocabulary.Tokenizer.BytesOf(other).Length < vocabulary.Tokenizer.BytesOf(token).Length ? other : token;
            foreach (byte value in vocabulary.Tokenizer.BytesOf(token))
            {
                state = machine.Next(state, value);
            }
            text += vocabulary.Tokenizer.Decode([token]);
        }
        return most;
    }

    private static TokenMask Of(Machine machine, MachineState start)
    {
        VocabularyTrie vocabulary = machine.Vocabulary;
        TokenMask mask = new(vocabulary.VocabularySize);
        MachineState[] path = new MachineState[vocabulary.MaxTokenBytes + 1];
        path[0] = start;
        for (int node = 0; node < vocabulary.Labels.Length;)
        {
            int depth = vocabulary.Depths[node];
            path[depth] = machine.Next(path[depth - 1], vocabulary.Labels[node]);
            if (ReferenceEquals(path[depth], MachineState.Dead))
            {
                node = vocabulary.Ends[node];
                continue;
            }
            if (vocabulary.Tokens[node] >= 0)
            {
                mask.Set(vocabulary.Tokens[node]);
            }
            node++;
        }
        return mask;
    }
}
