using System.Diagnostics;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// An engine whose requests disturb each other: how long eight that decode wait for a token while a prompt of 2,000 tokens
/// arrives, against steps without an engine, of as many rows as the budget allows; and what the engine costs a single one that decodes.
/// </summary>
internal static class ServingQuick
{
    private const int Decodes = 8, Prompt = 2000, StepTokens = 128, NewTokens = 400, Rounds = 5;

    public static async Task RunAsync(string path)
    {
        using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Activations = ActivationPrecision.BFloat16, LoadVision = false });
        var options = new EngineOptions { MaxContext = Prompt + NewTokens, MaxLogitRows = Decodes + 1, StepRows = 512, StepTokens = StepTokens, KeepPrefixes = false };
        await using var engine = new Llama4Engine(model, options);
        List<double> quiet = [], beside = [], steps = [];
        var clock = new StepClock();
        engine.Runner.Observer = clock;
        for (int round = -1; round < Rounds; round++)
        {
            (List<double> alone, List<double> with) = await MeasureAsync(engine, clock).ConfigureAwait(false);
            if (round >= 0)
            {
                quiet.AddRange(alone);
                beside.AddRange(with);
                steps.AddRange(clock.Mixed);
            }
            clock.Clear();
        }
        engine.Runner.Observer = null;
        (List<double> budgets, double mixed, double decode) = StepsOf(model, options);
        double budget = At(budgets, 0.5);
        Console.WriteLine($"{Decodes} decodes, ms between tokens: alone median {At(quiet, 0.5):F2}, p99 {At(quiet, 0.99):F2}; while {Prompt} tokens of a prompt are computed median {At(beside, 0.5):F2}, p99 {At(beside, 0.99):F2}");
        Console.WriteLine($"from step to step in the engine meanwhile: median {At(steps, 0.5):F2}, p99 {At(steps, 0.99):F2}, longest {steps.Max():F2}: {At(steps, 0.5) / budget:F2}, {At(steps, 0.99) / At(budgets, 0.99):F2} and {steps.Max() / budgets.Max():F2} times the same of the budget's steps; what the decodes wait longer is on the way to them");
        Console.WriteLine($"without an engine, ms a step: {StepTokens} rows of the prompt, the budget, {budget:F2} (p99 {At(budgets, 0.99):F2}, longest {budgets.Max():F2}); {Decodes} decodes and {StepTokens - Decodes} rows of it {mixed:F2}; {Decodes} decodes {decode:F2}");
        Console.WriteLine($"the median wait is {At(beside, 0.5) / budget:F2} times the budget's step and {At(beside, 0.5) / mixed:F2} times the mixed one; alone it is {At(quiet, 0.5) / decode:F2} times the decodes' step");
        await CompareDecodeAsync(model, engine).ConfigureAwait(false);
    }

    /// <summary>Milliseconds between tokens before the prompt comes and until its first token.</summary>
    private static async Task<(List<double> Alone, List<double> Beside)> MeasureAsync(Llama4Engine engine, StepClock clock)
    {
        List<double> alone = [], beside = [];
        bool isPrompt = false, isOver = false;
        var started = new CountdownEvent(Decodes);
        Task[] decodes = [.. Enumerable.Range(0, Decodes).Select(i => Task.Run(async () =>
        {
            long last = 0;
            int tokens = 0;
            await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, i, 16, NewTokens)).ConfigureAwait(false))
            {
                double elapsed = Stopwatch.GetElapsedTime(last).TotalMilliseconds;
                if (++tokens > 20 && !Volatile.Read(ref isOver))
                {
                    List<double> times = Volatile.Read(ref isPrompt) ? beside : alone;
                    lock (times)
                    {
                        times.Add(elapsed);
                    }
                }
                if (tokens == 100)
                {
                    started.Signal();
                }
                last = Stopwatch.GetTimestamp();
            }
        }))];
        await Task.Run(started.Wait).ConfigureAwait(false);
        Volatile.Write(ref isPrompt, true);
        clock.IsOn = true;
        await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, Decodes, Prompt, 1)).ConfigureAwait(false))
        {
            clock.IsOn = false;
            Volatile.Write(ref isOver, true);
        }
        await Task.WhenAll(decodes).ConfigureAwait(false);
        started.Dispose();
        return (alone, beside);
    }

    /// <summary>
    /// Milliseconds of steps without an engine, in turns at the same places of a prompt: of as many of its rows as the budget has, of
    /// the budget shared with sequences that decode, and of those alone.
    /// </summary>
    private static (List<double> Budget, double Mixed, double Decode) StepsOf(Llama4Model model, EngineOptions options)
    {
        using var runner = new StepRunner(model, options with { CacheBytes = StepRunner.CacheBytes(model, options, Prompt + NewTokens, 2 * Decodes) });
        List<double> budget = [], mixed = [], decode = [];
        for (int round = 0; round < Rounds + 1; round++)
        {
            Sequence[] decoding = [.. Enumerable.Range(0, Decodes).Select(i => Prefilled(runner, model, i))];
            using Sequence alone = runner.CreateSequence(), beside = runner.CreateSequence();
            alone.Append(Ids(model, Decodes, Prompt));
            beside.Append(Ids(model, Decodes, Prompt));
            while (alone.Pending > 0)
            {
                Add(budget, round, Time(runner, [Piece(alone, StepTokens)]));
                if (beside.Pending > 0)
                {
                    Add(mixed, round, Time(runner, [.. Next(decoding), Piece(beside, StepTokens - Decodes)]));
                }
                Add(decode, round, Time(runner, [.. Next(decoding)]));
            }
            Array.ForEach(decoding, sequence => sequence.Dispose());
        }
        return (budget, At(mixed, 0.5), At(decode, 0.5));
    }

    /// <summary>One sequence that decodes, without an engine and through it, in turns.</summary>
    private static async Task CompareDecodeAsync(Llama4Model model, Llama4Engine engine)
    {
        using var runner = new StepRunner(model, new EngineOptions { MaxContext = 16 + NewTokens, MaxLogitRows = 1, StepRows = 64 });
        List<double> bare = [], served = [];
        for (int round = 0; round < 2 * Rounds; round++)
        {
            using Sequence sequence = runner.CreateSequence();
            sequence.Append(Ids(model, round, 16));
            int token = runner.Run([new StepPart(sequence, 16, 1, DrawRule.Best)]).Chosen(0)!.Value;
            long start = Stopwatch.GetTimestamp();
            for (int i = 1; i < NewTokens; i++)
            {
                sequence.Append([token]);
                token = runner.Run([new StepPart(sequence, 1, 1, DrawRule.Best)]).Chosen(0)!.Value;
            }
            Add(bare, round, (NewTokens - 1) / Stopwatch.GetElapsedTime(start).TotalSeconds);
            start = 0;
            await foreach (GenerationUpdate update in engine.GenerateAsync(Request(engine, round, 16, NewTokens)).ConfigureAwait(false))
            {
                start = start == 0 ? Stopwatch.GetTimestamp() : start;
            }
            Add(served, round, (NewTokens - 1) / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        Console.WriteLine($"one sequence, tokens/s, median (best): {At(bare, 0.5):F0} ({bare.Max():F0}) without an engine, {At(served, 0.5):F0} ({served.Max():F0}) through it: {At(served, 0.5) / At(bare, 0.5):F2} ({served.Max() / bare.Max():F2})");
    }

    private static void Add(List<double> times, int round, double time)
    {
        if (round > 0)
        {
            times.Add(time);
        }
    }

    private static double Time(StepRunner runner, StepPart[] parts)
    {
        long start = Stopwatch.GetTimestamp();
        runner.Run(parts);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static StepPart Piece(Sequence prompt, int most)
    {
        int rows = prompt.Blocks.RowsBeforeChunkEdge(Math.Min(most, prompt.Pending));
        return new StepPart(prompt, rows, rows == prompt.Pending ? 1 : 0, DrawRule.Best);
    }

    private static IEnumerable<StepPart> Next(Sequence[] decoding) => decoding.Select((sequence, i) =>
    {
        sequence.Append([7 + i]);
        return new StepPart(sequence, 1, 1, DrawRule.Best);
    });

    private static Sequence Prefilled(StepRunner runner, Llama4Model model, int number)
    {
        // As far as the engine's are when the prompt comes.
        Sequence sequence = runner.CreateSequence();
        sequence.Append(Ids(model, number, 16 + 100));
        runner.Run([new StepPart(sequence, 16 + 100, 1)]);
        return sequence;
    }

    private static GenerationRequest Request(Llama4Engine engine, int number, int prompt, int tokens) =>
        new(Llama4Kernels.Engine.Chat.Prompt.FromIds(Ids(engine.Model, number, prompt)), new GenerationOptions { Temperature = 0, MaxTokens = tokens, IgnoreEos = true });

    private static int[] Ids(Llama4Model model, int number, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (((number + 2) * 104_729) + (i * 7919)) % model.Config.Text.VocabSize)];

    /// <summary>Milliseconds from the begin of a step that has rows of a prompt to that of the next, where the scheduler is: without the way to who reads.</summary>
    private sealed class StepClock : IForwardObserver
    {
        private volatile bool _isOn;
        private long _begun;
        private bool _isMixed;

        public List<double> Mixed { get; } = [];

        /// <summary>Whether the prompt is there.</summary>
        public bool IsOn
        {
            set => _isOn = value;
        }

        public void Clear()
        {
            Mixed.Clear();
            _isMixed = false;
        }

        public void Hidden(int layers, Tensor hidden)
        {
            if (layers > 0)
            {
                return;
            }
            if (_isMixed)
            {
                Mixed.Add(Stopwatch.GetElapsedTime(_begun).TotalMilliseconds);
            }
            _isMixed = _isOn && hidden.Rows > Decodes;
            _begun = Stopwatch.GetTimestamp();
        }

        public void Attention(int layer, Tensor output)
        {
        }

        public void Router(int layer, Routing routing)
        {
        }

        public void Final(Tensor hidden)
        {
        }

        public void Vision(string stage, Tensor values)
        {
        }
    }

    private static double At(List<double> values, double share) => values.Order().ElementAt((int)(share * (values.Count - 1)));
}
