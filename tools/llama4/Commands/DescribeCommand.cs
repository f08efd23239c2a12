using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>describe</c>: asks a question about pictures.</summary>
internal static class DescribeCommand
{
    public static Command Create(CommandConsole console)
    {
        var images = new Argument<string[]>("image") { Description = "Pictures, in the order the model sees them.", Arity = ArgumentArity.OneOrMore };
        var question = new Option<string?>("--question", "-q") { Description = "The question. Default: What is in the picture? (of several: What is in each picture?)" };
        var explain = new Option<string?>("--explain") { Description = "PNG file to write: the picture with the tiles the model sees drawn over it." };
        var arguments = new ModelArguments(ActivationArgument.AsWeights);
        var sampling = new SamplingArguments();
        var command = new Command("describe", "Answers a question about pictures.") { images, question, explain };
        arguments.AddTo(command);
        sampling.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            string[] paths = parsed.GetRequiredValue(images);
            string? overlay = parsed.GetValue(explain);
            if (overlay is not null && paths.Length > 1)
            {
                throw new ArgumentException("--explain draws one picture; give one.");
            }
            GenerationOptions options = sampling.Read(parsed, temperature: 0);
            using Llama4Model model = arguments.Load(parsed, console, cancellation);
            ImageContent[] pictures = [.. paths.Select(model.LoadPicture)];
            if (overlay is not null)
            {
                TileOverlay.Write(overlay, ImageDecoder.Decode(paths[0]), model.ImageOptions);
            }
            foreach ((string path, ImageContent picture) in paths.Zip(pictures))
            {
                console.Out.WriteLine($"{Path.GetFileName(path)}: {picture.Columns}x{picture.Rows} tiles of {model.ImageOptions.Tile} pixels (columns x rows){(picture.Rows * picture.Columns > 1 ? " and the global one" : "")}, {ImageTokens.Count(picture.Rows, picture.Columns, model.TokensPerTile)} tokens");
            }
            string asked = parsed.GetValue(question) ?? (paths.Length == 1 ? "What is in the picture?" : "What is in each picture?");
            await using Llama4Engine engine = Generating.Start(model, console);
            Conversation conversation = engine.CreateConversation();
            conversation.Add(asked, pictures);
            await Generating.StreamAsync(conversation.AnswerAsync(options, null, cancellation), console).ConfigureAwait(false);
            return 0;
        });
        return command;
    }
}
