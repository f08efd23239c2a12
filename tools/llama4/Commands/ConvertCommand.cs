using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>convert</c>: any supported checkpoint becomes a folder in the published layout.</summary>
internal static class ConvertCommand
{
    public static Command Create(CommandConsole console)
    {
        var source = new Argument<string>("source") { Description = "Checkpoint: a folder (safetensors, GGUF, Meta's consolidated.*.pth) or a .gguf file." };
        var output = new Option<string>("--out", "-o") { Description = "The new folder; it must not exist or be empty.", Required = true };
        var projector = ModelArguments.NewProjector();
        var noVision = new Option<bool>("--no-vision") { Description = "Leave the vision tower out." };
        var command = new Command("convert", "Writes a checkpoint in the published layout: safetensors in bfloat16, config.json, tokenizer. Weights that are bfloat16 keep their bits.") { source, output, projector, noVision };
        command.SetAction((parsed, cancellation) =>
        {
            string folder = parsed.GetRequiredValue(output);
            using Checkpoint checkpoint = Checkpoint.Open(parsed.GetRequiredValue(source), !parsed.GetValue(noVision), parsed.GetValue(projector));
            foreach (string warning in checkpoint.Warnings)
            {
                console.Error.WriteLine("warning: " + warning);
            }
            long bytes = LoadBar.Run(console, "converting", progress =>
            {
                CheckpointConverter.Convert(checkpoint, folder, progress: progress, cancellation: cancellation);
                return Directory.EnumerateFiles(folder).Sum(file => new FileInfo(file).Length);
            });
            console.Out.WriteLine($"{folder}: {ByteSize.Text(bytes)} from {checkpoint.Format}");
            return Task.FromResult(0);
        });
        return command;
    }
}
