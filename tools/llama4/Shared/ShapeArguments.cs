using System.CommandLine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that make a model of a published one's shape, with fewer layers and experts and random weights: no checkpoint is needed.</summary>
internal sealed class ShapeArguments
{
    private const int UsualLayers = 4, UsualExperts = 8;

    private readonly Option<string?> _shape = new("--shape") { Description = "Instead of --model: a model of random weights in the shape of scout or maverick, text only, with the whole vocabulary." };
    private readonly Option<int?> _layers = new("--layers") { Description = $"With --shape: how many layers. Default {UsualLayers}.", CustomParser = Numbers.ReadOptional<int> };
    private readonly Option<int?> _experts = new("--experts") { Description = $"With --shape: how many routed experts a layer that has some. Default {UsualExperts}.", CustomParser = Numbers.ReadOptional<int> };

    public void AddTo(Command command)
    {
        _shape.AcceptOnlyFromAmong(ModelShape.Names);
        command.Add(_shape);
        command.Add(_layers);
        command.Add(_experts);
    }

    /// <summary>The model that was asked for; null if no shape was.</summary>
    /// <exception cref="ArgumentException">Something is out of range, or does not go together.</exception>
    public Llama4Model? Load(ParseResult parsed, ModelArguments arguments, CommandConsole console, CancellationToken cancellation)
    {
        (int? layers, int? experts) = (parsed.GetValue(_layers), parsed.GetValue(_experts));
        if (parsed.GetValue(_shape) is not string shape)
        {
            return layers is null && experts is null ? null : throw new ArgumentException("--layers and --experts need --shape.");
        }
        if (arguments.IsNamed(parsed))
        {
            throw new ArgumentException("--shape stands for a model without files: leave --model out.");
        }
        int most = PublishedConfigs.Experts(shape);
        if (layers is < 1 or > PublishedConfigs.Layers || experts < 1 || experts > most)
        {
            throw new ArgumentException($"{shape} has --layers 1 to {PublishedConfigs.Layers} and --experts 1 to {most}.");
        }
        ModelConfig config = PublishedConfigs.Get(shape, layers ?? UsualLayers, experts ?? UsualExperts);
        ModelOptions options = arguments.Read(parsed, console, needsTokenizer: false) with { LoadVision = false };
        using (Checkpoint plan = Checkpoint.Plan(config, shape))
        {
            options = arguments.WithBackend(parsed, options, sizes => ModelMemory.Measure(config, plan.Weights, options, sizes, ModelMemory.UsualContext), console, out _);
        }
        // Answers have text, of whatever ids: the sample model's tokenizer will do.
        return LoadBar.Run(console, "making", progress => Llama4Model.OfRandomWeights(
            config, shape, options, () => File.ReadAllBytes(Path.Combine(ModelArguments.SampleModel, "tokenizer.json")), progress, cancellation));
    }
}
