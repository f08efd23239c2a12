using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Evaluation;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Interop.Files;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>eval</c>: asks a file of questions and counts the right answers; measures how well a text is predicted.</summary>
internal static class EvalCommand
{
    /// <summary>Where two best logits come closer than this, another correct implementation may answer differently.</summary>
    private const double NearTie = 0.01;

    private const string ImagePlaceholder = "<image>";

    public static Command Create(CommandConsole console)
    {
        var questions = new Argument<string?>("questions") { Arity = ArgumentArity.ZeroOrOne, Description = "JSON lines with kind, lang, files, messages and, to judge by, expected, reference and min_margin." };
        var output = new Option<string?>("--out", "-o") { Description = "File for the answers, one row a question." };
        var limit = new Option<int?>("--limit") { Description = "Ask only the first questions.", CustomParser = Numbers.ReadOptional<int> };
        var maxTokens = new Option<int>("--max-tokens", "-n") { Description = "The most tokens of an answer.", DefaultValueFactory = _ => 256, CustomParser = Numbers.Read<int> };
        var text = new Option<string?>("--perplexity") { Description = "A UTF-8 text: prints the perplexity of all its tokens, in windows that do not overlap and start with the begin-of-text token." };
        var window = new Option<int?>("--window") { Description = $"Tokens of such a window; {TextMeasurement.DefaultWindow} or the context if that is less.", CustomParser = Numbers.ReadOptional<int> };
        var against = new Option<string?>("--against") { Description = "With --perplexity: a checkpoint to compare with, run with its weights as stored and float32 activations: its perplexity, KL divergence, best tokens." };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var arguments = new ModelArguments(ActivationArgument.Exact);
        var cache = new CacheArguments();
        var command = new Command("eval", "Answers questions greedily and counts what is right, measures the perplexity of a text, or both; exit code 1 when an answer differs from its reference.") { questions, output, limit, maxTokens, text, window, against, json };
        arguments.AddTo(command);
        cache.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            string? path = parsed.GetValue(questions);
            string? textPath = parsed.GetValue(text);
            Check(parsed.GetValue(window), parsed.GetValue(against), path, textPath);
            using Llama4Model model = arguments.Load(parsed, console, cancellation);
            QuestionCounts? counts = null;
            LikelihoodReport? likelihood = null;
            if (path is not null)
            {
                var options = new GenerationOptions { Temperature = 0, MaxTokens = parsed.GetValue(maxTokens) };
                List<Outcome> outcomes = await AskAsync(model, path, parsed.GetValue(limit), parsed.GetValue(output), options, cache.Read(parsed), console, cancellation).ConfigureAwait(false);
                counts = new QuestionCounts(outcomes.Count, outcomes.Count(outcome => outcome.Right == true), outcomes.Count(outcome => outcome.Differs));
                if (!parsed.GetValue(json))
                {
                    Print("kind", outcomes.GroupBy(outcome => outcome.Kind), console);
                    Print("language", outcomes.GroupBy(outcome => outcome.Language), console);
                    console.Out.WriteLine($"{counts.Asked} questions, {counts.Right} right, {counts.Different} different from the reference");
                }
            }
            if (textPath is not null)
            {
                using Llama4Model? other = parsed.GetValue(against) is string folder ? arguments.LoadToCompare(folder, model, console, cancellation) : null;
                likelihood = TextMeasurement.Run(model, textPath, parsed.GetValue(window), other, console, cancellation);
                if (!parsed.GetValue(json))
                {
                    TextMeasurement.Print(likelihood, console);
                }
            }
            if (parsed.GetValue(json))
            {
                ReportJson.Write(console, new EvaluationReport(counts, likelihood));
            }
            return counts is { Different: > 0 } ? CommandLine.Differs : 0;
        });
        return command;
    }

    private static void Check(int? window, string? against, string? questions, string? text)
    {
        if (questions is null && text is null)
        {
            throw new ArgumentException("Give a file of questions, --perplexity with a text, or both.");
        }
        if (text is null && (window is not null || against is not null))
        {
            throw new ArgumentException($"{(window is null ? "--against" : "--window")} needs --perplexity with a text.");
        }
        if (window < 1)
        {
            throw new ArgumentException("--window must be 1 or more.");
        }
    }

    private static async Task<List<Outcome>> AskAsync(
        Llama4Model model, string path, int? limit, string? output, GenerationOptions options, EngineOptions engineOptions, CommandConsole console, CancellationToken cancellation)
    {
        IEnumerable<(int Line, JsonObject Row)> rows = JsonLines.Read(path);
        if (limit is int most)
        {
            rows = rows.Take(most);
        }
        using OutputFile? file = output is not null ? OutputFile.Create(output) : null;
        await using Llama4Engine engine = Generating.Start(model, console, engineOptions);
        List<Outcome> outcomes = [];
        foreach ((int line, JsonObject row) in rows)
        {
            (Question question, string answer) = await JsonLines.ConvertAsync(path, line, row, async given =>
            {
                Question asked = QuestionOf(given, Path.GetDirectoryName(Path.GetFullPath(path))!);
                return (asked, await AnswerAsync(engine, asked, options, cancellation).ConfigureAwait(false));
            }).ConfigureAwait(false);
            file?.Writer.WriteLine(new JsonObject { ["kind"] = question.Kind, ["lang"] = question.Language, ["answer"] = answer }.ToJsonString());
            bool differs = question.Reference is not null && question.Margin >= NearTie && answer != question.Reference;
            if (differs)
            {
                console.Error.WriteLine($"line {line}: the answer '{answer}' differs from the reference '{question.Reference}'.".ReplaceLineEndings(" "));
            }
            outcomes.Add(new Outcome(question.Kind, question.Language, question.Expected is null ? null : answer == question.Expected, differs));
        }
        file?.Commit();
        return outcomes;
    }

    private static async Task<string> AnswerAsync(Llama4Engine engine, Question question, GenerationOptions options, CancellationToken cancellation)
    {
        Conversation conversation = engine.CreateConversation();
        int next = 0;
        for (int i = 0; i < question.Messages.Count; i++)
        {
            (ChatRole role, string text) = question.Messages[i];
            List<ChatContent> parts = [];
            string[] texts = role == ChatRole.User ? text.Split(ImagePlaceholder) : [text];
            for (int part = 0; part < texts.Length; part++)
            {
                if (part > 0)
                {
                    parts.Add(engine.Model.LoadPicture(question.Files[next++]));
                }
                if (texts[part].Length > 0)
                {
                    parts.Add(new TextContent(texts[part]));
                }
            }
            // A turn that a tool's result answers ended as a message, not as a turn.
            bool called = role == ChatRole.Assistant && i + 1 < question.Messages.Count && question.Messages[i + 1].Role == ChatRole.Tool;
            conversation.Add(new ChatMessage(role, parts, null, called ? FinishReason.EndOfMessage : null));
        }
        var answer = new StringBuilder();
        await foreach (GenerationUpdate update in conversation.AnswerAsync(options, null, cancellation).ConfigureAwait(false))
        {
            answer.Append(update.Text);
        }
        return answer.ToString();
    }

    private static Question QuestionOf(JsonObject row, string folder)
    {
        (ChatRole Role, string Text)[] messages = [.. JsonLines.Field(row, "messages").AsArray().Select(node =>
        {
            JsonObject message = node as JsonObject ?? throw new FormatException("a message is not an object.");
            return (ChatRows.RoleOf(JsonLines.Field(message, "role").GetValue<string>()), JsonLines.Field(message, "content").GetValue<string>());
        })];
        string[] files = row["files"] is JsonNode list ? JsonLines.Texts(list) : [];
        int places = messages.Where(message => message.Role == ChatRole.User).Sum(message => message.Text.Split(ImagePlaceholder).Length - 1);
        if (places != files.Length)
        {
            throw new FormatException($"the messages have {places} {ImagePlaceholder} places for {files.Length} files.");
        }
        return new Question(
            row["kind"]?.GetValue<string>() ?? "-",
            row["lang"]?.GetValue<string>() ?? "-",
            [.. files.Select(file => Path.Combine(folder, file))],
            messages,
            row["expected"]?.GetValue<string>(),
            row["reference"]?.GetValue<string>(),
            row["min_margin"]?.GetValue<double>() ?? double.PositiveInfinity);
    }

    private static void Print(string title, IEnumerable<IGrouping<string, Outcome>> groups, CommandConsole console)
    {
        Table table = CommandConsole.NewTable(title, "right", "of", "accuracy");
        foreach (IGrouping<string, Outcome> group in groups)
        {
            int judged = group.Count(outcome => outcome.Right is not null);
            int right = group.Count(outcome => outcome.Right == true);
            table.AddRow(
                Markup.Escape(group.Key),
                right.ToString(CultureInfo.InvariantCulture),
                judged.ToString(CultureInfo.InvariantCulture),
                judged == 0 ? "-" : ((double)right / judged).ToString("P1", CultureInfo.InvariantCulture));
        }
        console.Write(table);
    }

    private sealed record Question(
        string Kind, string Language, IReadOnlyList<string> Files, IReadOnlyList<(ChatRole Role, string Text)> Messages, string? Expected, string? Reference, double Margin);

    private sealed record Outcome(string Kind, string Language, bool? Right, bool Differs);
}
