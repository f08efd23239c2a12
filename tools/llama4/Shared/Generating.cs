using System.Diagnostics;
using System.Globalization;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Streams one generation to the output and reports its speed on the error stream.</summary>
internal static class Generating
{
    /// <summary>Makes an engine, and tells a person what memory it may take beside the model's.</summary>
    public static Llama4Engine Start(Llama4Model model, CommandConsole console, EngineOptions? options = null)
    {
        var engine = new Llama4Engine(model, options);
        CacheArguments.Print(console, engine.CacheBytes, engine.MaxContext);
        return engine;
    }

    /// <summary>Writes the text as it comes.</summary>
    public static async Task StreamAsync(IAsyncEnumerable<GenerationUpdate> updates, CommandConsole console)
    {
        Usage? usage = null;
        long start = Stopwatch.GetTimestamp();
        TimeSpan first = default;
        await foreach (GenerationUpdate update in updates.ConfigureAwait(false))
        {
            if (first == default)
            {
                first = Stopwatch.GetElapsedTime(start);
            }
            console.Out.Write(update.Text);
            console.Out.Flush();
            usage = update.Usage ?? usage;
        }
        console.Out.WriteLine();
        if (usage is not null)
        {
            ReportSpeed(console, usage, first, Stopwatch.GetElapsedTime(start) - first);
        }
    }

    private static void ReportSpeed(CommandConsole console, Usage usage, TimeSpan first, TimeSpan rest)
    {
        int prefilled = usage.PromptTokens - usage.CachedTokens;
        int decoded = usage.CompletionTokens - 1;
        string decode = decoded > 0 ? string.Create(CultureInfo.InvariantCulture, $", {decoded / rest.TotalSeconds:F1} tokens/s") : string.Empty;
        console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"[{prefilled} prompt tokens in {first.TotalSeconds:F2} s ({usage.CachedTokens} reused), {usage.CompletionTokens} generated{decode}]"));
    }
}
