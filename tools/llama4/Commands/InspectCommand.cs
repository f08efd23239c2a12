using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>inspect</c>: what is in a checkpoint and what it needs, without loading it.</summary>
internal static class InspectCommand
{
    public static Command Create(CommandConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "Checkpoint: a folder (safetensors, GGUF, Meta's consolidated.*.pth) or a .gguf file." };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var verify = new Option<bool>("--verify") { Description = $"Read all files and compare them with the folder's {Manifest.FileName}, which quantize writes." };
        Option<string?> projector = ModelArguments.NewProjector();
        var command = new Command("inspect", "Prints a checkpoint's configuration, tensors and memory needs; validates every header.") { checkpoint, json, verify, projector };
        command.SetAction((parsed, cancellation) =>
        {
            string path = parsed.GetRequiredValue(checkpoint);
            using Checkpoint opened = Open(path, parsed.GetValue(projector), console);
            int? verified = parsed.GetValue(verify) ? Verify(opened, console, cancellation) : null;
            Summary summary = Summarise(opened) with { VerifiedFiles = verified };
            if (parsed.GetValue(json))
            {
                ReportJson.Write(console, summary);
            }
            else
            {
                Print(summary, console);
            }
            return Task.FromResult(0);
        });
        return command;
    }

    // What would be refused is shown with what the headers say all the same.
    private static Checkpoint Open(string path, string? projector, CommandConsole console)
    {
        Checkpoint? opened = null;
        try
        {
            opened = Checkpoint.Open(path, vision: true, projector);
            _ = opened.LoadTokenizer();
            if (opened.Config.Vision is not null)
            {
                _ = opened.LoadTileOptions();
            }
            return opened;
        }
        catch (ModelFormatException)
        {
            opened?.Dispose();
            PrintHeaders(path, projector, console);
            throw;
        }
    }

    private static void PrintHeaders(string path, string? projector, CommandConsole console)
    {
        ITensorSource source;
        try
        {
            source = Checkpoint.OpenTensors(path, projector);
        }
        catch (ModelFormatException)
        {
            return; // Not even the headers can be read: the first error says why.
        }
        using (source)
        {
            console.Out.WriteLine($"{source.Location}: refused; its headers list {source.Tensors.Count} tensors, {ByteSize.Text(source.Tensors.Sum(tensor => tensor.Bytes))}");
            foreach (IGrouping<string, StoredTensor> type in source.Tensors.GroupBy(tensor => tensor.Type.Name))
            {
                console.Out.WriteLine($"  {type.Key}: {type.Count()} tensors, {ByteSize.Text(type.Sum(tensor => tensor.Bytes))}, the first is {type.First().Name}");
            }
        }
    }

    private static int Verify(Checkpoint checkpoint, CommandConsole console, CancellationToken cancellation) =>
        LoadBar.Run(console, "verifying", progress => Manifest.Verify(checkpoint.Folder, progress, cancellation))
            ?? throw new ArgumentException($"--verify compares with {Manifest.FileName}, but '{checkpoint.Folder}' has none.");

    private static Summary Summarise(Checkpoint checkpoint)
    {
        IReadOnlyList<StoredTensor> tensors = checkpoint.Tensors;
        TextConfig text = checkpoint.Config.Text;
        long[] contexts = [.. new long[] { 4096, 32768, 131072, 1048576, text.MaxPositions }.Where(context => context <= text.MaxPositions).Distinct()];
        return new Summary(
            checkpoint.Location,
            checkpoint.Format,
            checkpoint.HasTokenizer,
            text,
            checkpoint.Config.Vision,
            checkpoint.Config.Warnings,
            tensors.Count,
            tensors.Sum(tensor => tensor.Elements),
            checkpoint.TotalBytes,
            [.. tensors.GroupBy(tensor => checkpoint.GroupOf(tensor.Name)).OrderByDescending(group => group.Sum(tensor => tensor.Bytes))
                .Select(group => new GroupSize(group.Key, group.Count(), group.Sum(tensor => tensor.Elements), group.Sum(tensor => tensor.Bytes), string.Join(", ", group.Select(tensor => tensor.Type.Name).Distinct())))],
            [.. MemoryEstimate.Formats.Select(format => new FormatSize(format.Name, MemoryEstimate.Weights(tensors, format)))],
            [.. contexts.Select(context => new CacheSize(context, MemoryEstimate.Cache(text, context, 2), MemoryEstimate.Cache(text, context, 4)))]);
    }

    private static void Print(Summary summary, CommandConsole console)
    {
        TextConfig t = summary.Text;
        console.Out.WriteLine($"{summary.Folder}: {summary.Format}, {(summary.Tokenizer ? "with" : "without")} tokenizer");
        console.Out.WriteLine($"text    {t.Layers} layers ({t.LayerKinds.Count(layer => layer.IsMoe)} MoE, {t.LayerKinds.Count(layer => !layer.UsesRope)} NoPE), hidden {t.HiddenSize}, heads {t.Heads}/{t.KvHeads} of {t.HeadDim}, experts {t.Experts} (top-{t.ExpertsPerToken}), vocabulary {t.VocabSize}");
        console.Out.WriteLine($"        attention chunk {t.AttentionChunkSize?.ToString(CultureInfo.InvariantCulture) ?? "none"}, context {t.MaxPositions}, QK norm {(t.UseQkNorm ? "yes" : "no")}");
        console.Out.WriteLine(summary.Vision is VisionConfig v
            ? $"vision  {v.Layers} layers, hidden {v.HiddenSize}, {v.Heads} heads, tiles of {v.ImageSize} pixels, {v.TokensPerTile} tokens a tile"
            : "vision  none");
        console.Out.WriteLine($"tensors {summary.Tensors}, {summary.Elements} elements, {ByteSize.Text(summary.Bytes)}");
        if (summary.VerifiedFiles is int files)
        {
            console.Out.WriteLine($"files   {files}, all as {Manifest.FileName} says");
        }
        foreach (string warning in summary.Warnings)
        {
            console.Out.WriteLine("warning " + warning);
        }
        Table groups = CommandConsole.NewTable("group", "tensors", "elements", "size", "types");
        foreach (GroupSize group in summary.Groups)
        {
            groups.AddRow(group.Group, group.Tensors.ToString(CultureInfo.InvariantCulture), group.Elements.ToString(CultureInfo.InvariantCulture), ByteSize.Text(group.Bytes), group.Types);
        }
        console.Write(groups);
        Table formats = CommandConsole.NewTable("weights as", "memory");
        foreach (FormatSize format in summary.Weights)
        {
            formats.AddRow(format.Format, ByteSize.Text(format.Bytes));
        }
        console.Write(formats);
        Table caches = CommandConsole.NewTable("context", "cache bf16", "cache float32");
        foreach (CacheSize cache in summary.Cache)
        {
            caches.AddRow(cache.Context.ToString(CultureInfo.InvariantCulture), ByteSize.Text(cache.Bf16Bytes), ByteSize.Text(cache.Float32Bytes));
        }
        console.Write(caches);
    }

    internal sealed record Summary(
        string Folder, string Format, bool Tokenizer, TextConfig Text, VisionConfig? Vision, IReadOnlyList<string> Warnings, int Tensors, long Elements, long Bytes,
        IReadOnlyList<GroupSize> Groups, IReadOnlyList<FormatSize> Weights, IReadOnlyList<CacheSize> Cache)
    {
        /// <summary>Files whose checksums were compared; null if that was not asked for.</summary>
        public int? VerifiedFiles { get; init; }
    }

    internal sealed record GroupSize(string Group, int Tensors, long Elements, long Bytes, string Types);

    internal sealed record FormatSize(string Format, long Bytes);

    internal sealed record CacheSize(long Context, long Bf16Bytes, long Float32Bytes);
}
