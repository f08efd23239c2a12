using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>What a request gave: as much of it as was read, and what ended it.</summary>
internal sealed record Outcome(List<GenerationUpdate> Updates, Exception? Failure)
{
    public string Text => string.Concat(Updates.Select(update => update.Text));

    public int[] Tokens => [.. Updates.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value)];

    public Usage Usage => Updates[^1].Usage!;

    /// <summary>Everything in an update that does not depend on the cache, bits of log-probabilities included.</summary>
    public string[] Lines => [.. Updates.Select(update => string.Join(
        " ",
        update.TokenId,
        update.Text,
        update.FinishReason,
        update.Usage?.CompletionTokens,
        update.Logprob is null ? "" : BitConverter.DoubleToInt64Bits(update.Logprob.Value),
        update.Logprob is null ? "" : string.Join(",", update.TopLogprobs.Select(top => $"{top.TokenId}:{BitConverter.DoubleToInt64Bits(top.Logprob)}"))))];
}

/// <summary>Asks engines and collects what comes.</summary>
internal static class EngineHarness
{
    /// <summary>Reads an answer to its end, or up to so many updates.</summary>
    public static async Task<Outcome> Ask(this Llama4Engine engine, GenerationRequest request, int most = int.MaxValue, CancellationToken cancellation = default)
    {
        List<GenerationUpdate> updates = [];
        try
        {
            await foreach (GenerationUpdate update in engine.GenerateAsync(request, cancellation))
            {
                updates.Add(update);
                if (updates.Count == most)
                {
                    break;
                }
            }
            return new Outcome(updates, null);
        }
        catch (Exception error)
        {
            return new Outcome(updates, error);
        }
    }

    /// <summary>Waits until nothing runs or waits, and checks that all blocks in use are kept prefixes that can go.</summary>
    public static async Task<Llama4Engine> IsIdle(this Llama4Engine engine)
    {
        while (engine is { Running: > 0 } or { Waiting: > 0 })
        {
            await Task.Delay(1);
        }
        Assert.Equal(engine.Runner.Prefixes?.EvictableBytes ?? 0, engine.Runner.Pool.UsedBytes);
        return engine;
    }

    /// <summary>Disposes it and checks that no block is left.</summary>
    public static async Task Close(this Llama4Engine engine)
    {
        await engine.DisposeAsync();
        Assert.Equal((0, 0), (engine.Runner.Pool.UsedBlocks(BlockKind.Chunked), engine.Runner.Pool.UsedBlocks(BlockKind.Full)));
    }
}

/// <summary>Sees the rows of each step, and can hold one up.</summary>
internal sealed class StepWatch : IForwardObserver
{
    public List<int> Rows { get; } = [];

    /// <summary>Called at the beginning of each step, on the engine's thread.</summary>
    public Action? OnStep { get; set; }

    public void Hidden(int layers, Tensor hidden)
    {
        if (layers == 0)
        {
            Rows.Add(hidden.Rows);
            OnStep?.Invoke();
        }
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
