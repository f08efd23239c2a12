using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Images;
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
        var arguments = new ModelArguments();
        var sampling = new SamplingArguments();
        var constraints = new ConstraintArguments();
        var command = new Command("chat", "Chats with a model; pictures and tool calls included.") { prompt, system, tools, toolChoice, images };
        arguments.AddTo(command);
        sampling.AddTo(command);
        constraints.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            GenerationOptions options = sampling.Read(parsed);
            IReadOnlyList<ToolDefinition>? declared = parsed.GetValue(tools) is string file ? ToolsFile.Read(file) : null;
            string? instructions = SystemText(parsed.GetValue(system), declared);
            string? choice = parsed.GetValue(toolChoice);
            if (choice is not null && declared is null)
            {
                throw new ArgumentException("--tool-choice needs --tools.");
            }
            using Llama4Model model = arguments.Load(parsed, console, cancellation);
            options = options with
            {
                Constraint = constraints.Read(parsed, model.Tokenizer, choice is null ? null : "--tool-choice")
                    ?? (choice is null ? null : ToolCallConstraint.Compile(new ConstraintCompiler(model.Tokenizer), declared!, ChoiceOf(choice)).Start()),
            };
            PreprocessedImage[] pictures = [.. (parsed.GetValue(images) ?? []).Select(path => Conversation.Picture(model, path))];
            await using Llama4Engine engine = Generating.Start(model, console);
            var loop = new Loop(model, engine, options, instructions, pictures, console);
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

    /// <summary>The tools' description follows the system message.</summary>
    private static string? SystemText(string? system, IReadOnlyList<ToolDefinition>? tools)
    {
        string? described = tools is null ? null : ToolPrompt.Render(tools);
        return system is null || described is null ? system ?? described : system + "\n\n" + described;
    }

    private static ToolChoice ChoiceOf(string choice) => choice switch
    {
        "none" => ToolChoice.None,
        "auto" => ToolChoice.Auto,
        "required" => ToolChoice.Required,
        string name => ToolChoice.Named(name),
    };

    private sealed class Loop(
        Llama4Model model, Llama4Engine engine, GenerationOptions options, string? system, IReadOnlyList<PreprocessedImage> pictures, CommandConsole console)
    {
        private Conversation? _conversation;

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
                        _conversation = null;
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
            Conversation conversation = _conversation ?? Start();
            // The first message carries the pictures.
            IEnumerable<ChatContent> parts = _conversation is null ? pictures.Select(Conversation.Part) : [];
            _conversation = conversation;
            conversation.Add(ChatRole.User, [.. parts, new TextContent(text)]);
            List<int> ids = [];
            try
            {
                await Generating.StreamAsync(engine, conversation.Open(), options, ids, console, cancellation).ConfigureAwait(false);
            }
            finally
            {
                conversation.Close(ids);
            }
        }

        private Conversation Start()
        {
            var conversation = new Conversation(model);
            if (system is not null)
            {
                conversation.Add(ChatRole.System, system);
            }
            return conversation;
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
