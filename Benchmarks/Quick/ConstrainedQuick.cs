using System.Diagnostics;
using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Decoding with a schema against decoding without: pairs in turns, equal prompts, numbers of tokens and draws. Forced tokens, which need
/// no step of the model, are counted apart: a schema for which there are none is the hard case.
/// </summary>
internal static class ConstrainedQuick
{
    private const int Tokens = 150;
    private const int Pairs = 25;

    private static readonly (string Name, string Schema)[] s_schemas =
    [
        ("strings, nothing forced", """{"type":"array","items":{"type":"string"},"minItems":10000}"""),
        ("records", """{"type":"array","items":{"type":"object","properties":{"name":{"type":"string","maxLength":30},"count":{"type":"integer"},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z]+$"}}},"required":["name","count","tags"],"additionalProperties":false},"minItems":10000}"""),
        ("no item twice", """{"type":"array","items":{"type":"string","maxLength":20},"uniqueItems":true,"minItems":10000}"""),
    ];

    /// <summary>Prints tokens a second and the medians of the pairs' ratios.</summary>
    /// <param name="folder">The checkpoint.</param>
    public static async Task RunAsync(string folder)
    {
        using Llama4Model model = Llama4Model.Load(folder);
        var engine = new Llama4Engine(model);
        await using ConfiguredAsyncDisposable _ = engine.ConfigureAwait(false);
        Prompt prompt = model.Chat.EncodePrompt([ChatMessage.FromText(ChatRole.User, "Write a list.")]);
        var compiler = new ConstraintCompiler(model.Tokenizer);
        foreach ((string name, string schema) in s_schemas)
        {
            ITokenConstraint constraint = compiler.JsonSchema(schema);
            List<double> ratios = [];
            (double free, double bound, int forced) = (0, 0, 0);
            // Two for nothing: what runs for the first time is compiled.
            for (int pair = -2; pair < Pairs; pair++)
            {
                GenerationOptions options = new() { Temperature = 1, TopP = 1, Seed = (ulong)(pair + 3), MaxTokens = Tokens, IgnoreEos = true };
                double without = await TimeAsync(engine, prompt, options).ConfigureAwait(false);
                double with = await TimeAsync(engine, prompt, options with { Constraint = constraint }).ConfigureAwait(false);
                double again = await TimeAsync(engine, prompt, options).ConfigureAwait(false);
                if (pair >= 0)
                {
                    ratios.Add((without + again) / 2 / with);
                    free += (without + again) / 2;
                    bound += with;
                    forced += await ForcedAsync(engine, prompt, options, constraint).ConfigureAwait(false);
                }
            }
            ratios.Sort();
            Console.WriteLine(
                $"{name}: {Pairs * Tokens / free:F0} tokens/s without, {Pairs * Tokens / bound:F0} with; ratio of a pair {ratios[Pairs / 2]:F3} "
                + $"(middle half {ratios[Pairs / 4]:F3} to {ratios[3 * Pairs / 4]:F3}); {100.0 * forced / (Pairs * Tokens):F1} % of the tokens forced");
        }
    }

    // Seconds from the first token to the last: the prompt costs the same either way.
    private static async Task<double> TimeAsync(Llama4Engine engine, Prompt prompt, GenerationOptions options)
    {
        (long first, int count) = (0, 0);
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt, options)).ConfigureAwait(false))
        {
            first = count++ == 0 ? Stopwatch.GetTimestamp() : first;
        }
        return count == Tokens ? Stopwatch.GetElapsedTime(first).TotalSeconds
            : throw new InvalidOperationException($"{count} tokens instead of {Tokens}.");
    }

    private static async Task<int> ForcedAsync(Llama4Engine engine, Prompt prompt, GenerationOptions options, ITokenConstraint constraint)
    {
        (int forced, int pending) = (0, 0);
        ITokenConstraint state = constraint.Fork();
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt, options with { Constraint = constraint })).ConfigureAwait(false))
        {
            pending = pending > 0 ? pending - 1 : 0;
            if (pending == 0)
            {
                pending = state.ForcedTokens.Length;
                forced += pending;
            }
            state.Accept(update.TokenId!.Value);
        }
        return forced;
    }
}
