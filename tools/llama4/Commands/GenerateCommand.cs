using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>generate</c>: continues a text as it stands, without the chat format.</summary>
internal static class GenerateCommand
{
    public static Command Create(CommandConsole console)
    {
        var text = new Argument<string>("prompt") { Description = "The text to continue." };
        var arguments = new ModelArguments(ActivationArgument.AsWeights);
        var sampling = new SamplingArguments();
        var cache = new CacheArguments();
        var constraints = new ConstraintArguments();
        var command = new Command("generate", "Continues a text as it stands, after <|begin_of_text|>.") { text };
        arguments.AddTo(command);
        sampling.AddTo(command);
        cache.AddTo(command);
        constraints.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            GenerationOptions options = sampling.Read(parsed);
            using Llama4Model model = arguments.Load(parsed, console, cancellation);
            options = options with { Constraint = constraints.Read(parsed, model) };
            Prompt prompt = Prompt.FromIds(model.Tokenizer.Encode(parsed.GetRequiredValue(text), bos: true));
            await using Llama4Engine engine = Generating.Start(model, console, cache.Read(parsed));
            await Generating.StreamAsync(engine.GenerateAsync(new GenerationRequest(prompt, options), cancellation), console).ConfigureAwait(false);
            return 0;
        });
        return command;
    }
}
