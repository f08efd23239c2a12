using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>logits</c>: token ids in, logits out, for comparisons with other implementations.</summary>
internal static class LogitsCommand
{
    public static Command Create(CommandConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "Checkpoint folder." };
        var input = new Option<string?>("--input", "-i") { Description = "safetensors file with input_ids [N] and, as wanted, pixel_values [tiles,3,S,S] in bf16 and positions [rows]." };
        var tokens = new Option<string?>("--tokens") { Description = "Token ids instead of a file: 1,2,3." };
        var output = new Option<string>("--out", "-o") { Description = "safetensors file to write: logits [rows, V] and, with --greedy, greedy [N].", Required = true };
        var greedy = new Option<int>("--greedy") { Description = "Tokens to continue by argmax.", CustomParser = Numbers.Read<int> };
        var chunk = new Option<int>("--prefill-chunk") { Description = "Tokens per prefill step; 0 takes the largest step.", CustomParser = Numbers.Read<int> };
        var arguments = new ModelArguments(ActivationArgument.Exact);
        var command = new Command("logits", "Computes the logits of given token ids.") { checkpoint, input, tokens, output, greedy, chunk };
        arguments.AddTo(command, named: false);
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(greedy) < 0 || parsed.GetValue(chunk) < 0)
            {
                throw new ArgumentException("--greedy and --prefill-chunk must be 0 or more.");
            }
            (int[] ids, RunOptions options) = (parsed.GetValue(input), parsed.GetValue(tokens)) switch
            {
                (string file, null) => ReadInput(file),
                (null, string list) => (ParseTokens(list), new RunOptions()),
                _ => throw new ArgumentException("Give either --input or --tokens."),
            };
            using Llama4Model model = arguments.Load(parsed.GetRequiredValue(checkpoint), parsed, console, cancellation, needsTokenizer: false);
            LogitsResult result = ModelRunner.Run(model, ids, options with { Greedy = parsed.GetValue(greedy), PrefillChunk = parsed.GetValue(chunk) }, cancellation);
            string written = parsed.GetRequiredValue(output);
            Write(written, result, model.Config.Text.VocabSize);
            FiniteLogits.Check(result.Logits, model.Config.Text.VocabSize, $" They are in {written}.");
            console.Out.WriteLine($"{result.Positions.Length} rows of {model.Config.Text.VocabSize} logits, {result.Greedy.Length} continued tokens: {written}");
            return Task.FromResult(0);
        });
        return command;
    }

    private static (int[] Ids, RunOptions Options) ReadInput(string path)
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        bool pixels = file.TryGet("pixel_values", out TensorInfo? tensor);
        if (pixels && (tensor!.DType != SafeTensorsType.BF16 || tensor.Shape.Count != 4))
        {
            throw new ModelFormatException(path, "pixel_values", $"is {tensor.DType} with {tensor.Shape.Count} dimensions; BF16 [tiles, 3, S, S] is needed.");
        }
        var options = new RunOptions
        {
            Positions = file.TryGet("positions", out _) ? ReadInts(file, "positions") : null,
            PixelValues = pixels ? MemoryMarshal.Cast<byte, ushort>(file.ReadBytes("pixel_values")).ToArray() : null,
            Tiles = pixels ? checked((int)tensor!.Shape[0]) : 0,
        };
        return (ReadInts(file, "input_ids"), options);
    }

    private static int[] ReadInts(SafeTensorsFile file, string name) => Array.ConvertAll(
        file.ReadInt64(name),
        value => value is >= int.MinValue and <= int.MaxValue ? (int)value : throw new ModelFormatException(file.Path, name, $"{value} is out of range."));

    private static int[] ParseTokens(string list) =>
        [.. list.Split(',', StringSplitOptions.TrimEntries).Select(text =>
            int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int id) ? id : throw new ArgumentException($"--tokens: '{text}' is not a token id."))];

    private static void Write(string path, LogitsResult result, int vocabulary)
    {
        List<SafeTensorsEntry> entries = [SafeTensorsEntry.FromBytes("logits", SafeTensorsType.F32, [result.Positions.Length, vocabulary], MemoryMarshal.AsBytes<float>(result.Logits).ToArray())];
        if (result.Greedy.Length > 0)
        {
            entries.Add(SafeTensorsEntry.FromBytes("greedy", SafeTensorsType.I64, [result.Greedy.Length], MemoryMarshal.AsBytes<long>(Array.ConvertAll(result.Greedy, id => (long)id)).ToArray()));
        }
        SafeTensorsWriter.Write(path, entries);
    }
}
