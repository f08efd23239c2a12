using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>quantize</c>: saves a checkpoint packed as this machine's products read it.</summary>
internal static class QuantizeCommand
{
    public static Command Create(CommandConsole console)
    {
        var source = new Argument<string>("checkpoint") { Description = "Checkpoint whose weights are bf16, f16, f32 or FP8: a folder (safetensors, GGUF, Meta's consolidated.*.pth) or a .gguf file." };
        var output = new Option<string>("--out", "-o") { Description = $"The new folder; it must not exist or be empty. While it is written it is called DIR{ModelQuantiser.PartialSuffix}: a run that was stopped goes on there when it is started again.", Required = true };
        var weights = new WeightArguments("and saved");
        Option<string> activations = ActivationArgument.New(ActivationArgument.AsWeights);
        activations.Description = "What products shall round activations to when the folder is used, which decides how weights lie: loading for others packs them again.";
        Option<int> threads = ThreadArgument.New("CPU threads", 0);
        var projector = ModelArguments.NewProjector();
        var noVision = new Option<bool>("--no-vision") { Description = "Leave the vision tower out." };
        var command = new Command("quantize", "Saves a checkpoint in a format of fewer bits, packed as this machine's processor reads it: a folder that loads by mapping, in no time and without a copy.") { source, output, activations, threads, projector, noVision };
        weights.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string folder = parsed.GetRequiredValue(output);
            ModelOptions options = weights.Read(parsed) with
            {
                Activations = ActivationArgument.Get(parsed, activations),
                Threads = ThreadArgument.Check(parsed.GetValue(threads), console),
            };
            using Checkpoint checkpoint = Checkpoint.Open(parsed.GetRequiredValue(source), !parsed.GetValue(noVision), parsed.GetValue(projector));
            foreach (string warning in checkpoint.Warnings)
            {
                console.Error.WriteLine("warning: " + warning);
            }
            long bytes = LoadBar.Run(console, "quantising", progress =>
            {
                ModelQuantiser.Save(checkpoint, folder, options, progress, cancellation);
                return Directory.EnumerateFiles(folder).Sum(file => new FileInfo(file).Length);
            });
            console.Out.WriteLine($"{folder}: {ByteSize.Text(bytes)} from {ByteSize.Text(checkpoint.TotalBytes)} of {checkpoint.Format}");
            return Task.FromResult(0);
        });
        return command;
    }
}
