using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>chat</c>: one answer to a prompt, or a conversation line by line.</summary>
internal static class ChatCommand
{
    public static Command Create(CommandConsole console)
    {
        var prompt = new Argument<string?>("prompt") { Description = "The message; without it a conversation starts.", Arity = ArgumentArity.ZeroOrOne };
        var system = new Option<string?>("--system", "-s") { Description = "System message." };
        var tools = new Option<string?>("--tools") { Description = "JSON list of the functions the model may call." };
        var toolChoice = new Option<string?>("--tool-choice") { Description = "none, auto, required, or the name of the tool to call; calls then keep to the tools' schemas." };
        var images = new Option<string[]>("--image") { Description = "Picture of the first message; may be repeated." };
        var arguments = new ModelArguments(ActivationArgument.AsWeights);
        var sampling = new SamplingArguments();
        var constraints = new ConstraintArguments();
        var cache = new CacheArguments();
        var command = new Command("chat", "Chats with a model; pictures and tool calls included.") { prompt, system, tools, toolChoice, images };
        arguments.AddTo(command);
        sampling.AddTo(command);
        constraints.AddTo(command);
        cache.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            GenerationOptions options = sampling.Read(parsed);
            IReadOnlyList<ToolDefinition>? declared = parsed.GetValue(tools) is string file ? ToolsFile.Read(file) : null;
            string? choice = parsed.GetValue(toolChoice);
            if (choice is not null && declared is null)
            {
                throw new ArgumentException("--tool-choice needs --tools.");
            }
            using Llama4Model model = arguments.Load(parsed, console, cancellation);
            var conversation = new ConversationOptions
            {
                System = parsed.GetValue(system),
                Tools = declared ?? [],
                ToolChoice = choice is null ? null : ChoiceOf(choice),
                Generation = options with { Constraint = constraints.Read(parsed, model, choice is null ? null : "--tool-choice") },
            };
            ImageContent[] pictures = [.. (parsed.GetValue(images) ?? []).Select(model.LoadPicture)];
            await using Llama4Engine engine = Generating.Start(model, console, cache.Read(parsed));
            var loop = new Loop(engine, conversation, pictures, console);
            if (parsed.GetValue(prompt) is string text)
            {
                await loop.AnswerAsync(text, cancellation).ConfigureAwait(false);
            }
            else
            {
                await loop.RunAsync(cancellation).ConfigureAwait(false);
            }
            return 0;
        });
        return command;
    }

    private static ToolChoice ChoiceOf(string choice) => choice switch
    {
        "none" => ToolChoice.None,
        "auto" => ToolChoice.Auto,
        "required" => ToolChoice.Required,
        string name => ToolChoice.Named(name),
    };

    private sealed class Loop(Llama4Engine engine, ConversationOptions options, IReadOnlyList<ImageContent> pictures, CommandConsole console)
    {
        private Conversation _conversation = engine.CreateConversation(options);

        public async Task RunAsync(CancellationToken cancellation)
        {
            if (console.InputIsTerminal)
            {
                console.Error.WriteLine("/reset starts again, /exit ends. Ctrl-C stops an answer.");
            }
            while (true)
            {
                if (console.InputIsTerminal)
                {
                    console.Error.Write("> ");
                }
                switch (console.Interrupts.Unstoppable(console.In.ReadLine)?.Trim())
                {
                    case null or "/exit":
                        return;
                    case "":
                        break;
                    case "/reset":
                        _conversation = engine.CreateConversation(options);
                        break;
                    case string line when line.StartsWith('/'):
                        console.Error.WriteLine($"{line} is unknown; /reset and /exit are known.");
                        break;
                    case string line:
                        await InterruptibleAsync(line, cancellation).ConfigureAwait(false);
                        break;
                }
            }
        }

        public async Task AnswerAsync(string text, CancellationToken cancellation)
        {
            // The first message carries the pictures.
            bool isFirst = _conversation.Messages.All(message => message.Role != ChatRole.User);
            _conversation.Add(text, isFirst ? pictures : null);
            await Generating.StreamAsync(_conversation.AnswerAsync(null, null, cancellation), console).ConfigureAwait(false);
        }

        /// <summary>Ctrl-C ends the answer, not the conversation.</summary>
        private async Task InterruptibleAsync(string line, CancellationToken cancellation)
        {
            using CancellationTokenSource answering = console.Interrupts.Begin(cancellation);
            try
            {
                await AnswerAsync(line, answering.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                console.Out.WriteLine();
                console.Error.WriteLine("[stopped]");
            }
            finally
            {
                console.Interrupts.End(answering);
            }
        }
    }
}
