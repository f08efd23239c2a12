using System.CommandLine;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>tokenize</c>: text to token ids, alone or for a file of rows.</summary>
internal static class TokenizeCommand
{
    public static Command Create(CommandConsole console)
    {
        var input = new Argument<string>("input") { Description = "The text; with --batch the checkpoint (folder or .gguf file), tokenizer.model or tokenizer.json." };
        var model = new Option<string?>("--model", "-m") { Description = "Checkpoint (folder or .gguf file) or tokenizer file; without it the sample model's." };
        var bos = new Option<bool>("--bos") { Description = "Begin with <|begin_of_text|>." };
        var special = new Option<bool>("--special") { Description = "Recognise special tokens in the text." };
        var pieces = new Option<bool>("--pieces") { Description = "Also print each token's text." };
        var batch = new Option<string?>("--batch") { Description = "JSON lines with text, repeat, utf16 or ids." };
        var output = new Option<string?>("--out") { Description = "File for the completed rows of --batch; without it they are printed." };
        var chat = new Option<bool>("--chat") { Description = "The rows of --batch are conversations (messages)." };
        var decode = new Option<bool>("--decode") { Description = "Decode the ids of the rows of --batch even where they have a text." };
        var command = new Command("tokenize", "Turns text into token ids.") { input, model, bos, special, pieces, batch, output, chat, decode };
        command.SetAction(parsed =>
        {
            string given = parsed.GetRequiredValue(input);
            if (parsed.GetValue(batch) is string rows)
            {
                Llama4Tokenizer tokenizer = TokenizerArgument.Load(given);
                Func<JsonObject, JsonObject> complete = parsed.GetValue(chat)
                    ? ChatRows.Encoder(tokenizer)
                    : row => TokenizerRows.Complete(row, tokenizer, parsed.GetValue(decode));
                JsonLines.Convert(rows, parsed.GetValue(output), complete, console);
                return 0;
            }
            if (parsed.GetValue(chat) || parsed.GetValue(decode) || parsed.GetValue(output) is not null)
            {
                throw new ArgumentException("--chat, --decode and --out belong to --batch.");
            }
            Print(given, TokenizerArgument.Load(parsed.GetValue(model) ?? ModelArguments.SampleModel), parsed.GetValue(bos), parsed.GetValue(special), parsed.GetValue(pieces), console);
            return 0;
        });
        return command;
    }

    private static void Print(string text, Llama4Tokenizer tokenizer, bool bos, bool special, bool pieces, CommandConsole console)
    {
        int[] ids = tokenizer.Encode(text, special ? AllowedSpecials.All : AllowedSpecials.None, bos);
        console.Out.WriteLine(string.Join(' ', ids));
        foreach (int id in pieces ? ids : [])
        {
            console.Out.WriteLine($"{id}\t{ReportJson.Quote(tokenizer.Decode([id]))}");
        }
    }
}
