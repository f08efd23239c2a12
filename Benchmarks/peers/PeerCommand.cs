using System.CommandLine;
using System.CommandLine.Parsing;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary><c>--peers</c>: other engines on the same machine, in turns.</summary>
internal static class PeerCommand
{
    private const int Context = 2048;

    private static readonly (string Name, WeightScheme Scheme)[] s_weights = [("stored", WeightScheme.Stored), ("int4", WeightScheme.Int4), ("int8", WeightScheme.Int8)];

    /// <summary>Reads the arguments behind <c>--peers</c> and runs what they name.</summary>
    public static Task<int> RunAsync(ReadOnlySpan<string> arguments)
    {
        var root = new RootCommand("Compares with other engines on this machine, in turns; how to get them is in Benchmarks/peers/README.md.") { Models(), Products(), Host() };
        return root.Parse(arguments.ToArray()).InvokeAsync();
    }

    private static Option<int> Threads() => Number("--threads", "Threads of each.", Math.Min(2, Environment.ProcessorCount), 256);

    private static Option<int> Number(string name, string description, int usual, int most)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => usual };
        option.Validators.Add(result => Check(result, result.GetValueOrDefault<int>(), most));
        return option;
    }

    private static Option<int[]> Numbers(string name, string description, int[] usual, int most)
    {
        var option = new Option<int[]>(name) { Description = description + " May be given several times.", DefaultValueFactory = _ => usual };
        option.Validators.Add(result => Array.ForEach(result.GetValueOrDefault<int[]>() ?? [], number => Check(result, number, most)));
        return option;
    }

    private static void Check(OptionResult result, int number, int most)
    {
        if (number < 1 || number > most)
        {
            result.AddError($"{result.Option.Name} is a number from 1 to {most}, not {number}.");
        }
    }

    private static Option<string> Weights()
    {
        var option = new Option<string>("--weights") { Description = "What this engine makes of all linear weights: stored, int4 or int8.", DefaultValueFactory = _ => "stored" };
        option.AcceptOnlyFromAmong([.. s_weights.Select(one => one.Name)]);
        return option;
    }

    private static Option<string> Libraries() => new("--libraries")
    {
        Description = "The folder of llama.cpp's libraries.",
        DefaultValueFactory = _ => Path.Combine("Benchmarks", "peers", "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64"),
    };

    private static Command Models()
    {
        var own = new Argument<string>("own") { Description = "The checkpoint that this engine loads." };
        var other = new Argument<string>("gguf") { Description = "The GGUF file that llama.cpp loads." };
        Option<int[]> prompts = Numbers("--prompt", "Tokens of a prompt.", [128, 512], Context - 16);
        Option<int> tokens = Number("--decode", "Tokens decoded at a time.", 32, Context - 16), rounds = Number("--rounds", "Turns of each.", 7, 1000);
        (Option<int> threads, Option<string> weights, Option<string> libraries) = (Threads(), Weights(), Libraries());
        var command = new Command("llama.cpp", "Prompts and decoding of two files of the same shapes, this engine and llama.cpp.") { own, other, prompts, tokens, rounds, threads, weights, libraries };
        command.SetAction(parsed =>
        {
            string[] Host(string engine, string path) =>
                ["--peers", "host", engine, path, "--threads", $"{parsed.GetValue(threads)}", "--weights", parsed.GetRequiredValue(weights), "--libraries", parsed.GetRequiredValue(libraries)];
            ModelPeers.Run(
                Host("own", parsed.GetRequiredValue(own)), Host("llama.cpp", parsed.GetRequiredValue(other)),
                parsed.GetValue(threads), parsed.GetRequiredValue(prompts), parsed.GetValue(tokens), parsed.GetValue(rounds));
        });
        return command;
    }

    private static Command Products()
    {
        Option<int> outputs = Number("--outputs", "Outputs of the matrix.", 16384, 1 << 16), inputs = Number("--inputs", "Its inputs, a multiple of 128.", 5120, 1 << 14);
        Option<int> rounds = Number("--rounds", "Turns of each with each matrix.", 3, 1000);
        Option<int[]> rows = Numbers("--rows", "Rows.", [1, 2, 4, 8, 16, 128, 512], 4096);
        Option<int> threads = Threads();
        var command = new Command("onnx", "Products with int4 weights and rows rounded to int8, this engine and ONNX Runtime.") { outputs, inputs, rows, rounds, threads };
        inputs.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() % OnnxProductModel.Group != 0)
            {
                result.AddError($"--inputs is a multiple of {OnnxProductModel.Group}.");
            }
        });
        command.SetAction(parsed => OnnxPeers.Run((parsed.GetValue(outputs), parsed.GetValue(inputs)), parsed.GetValue(threads), parsed.GetRequiredValue(rows), parsed.GetValue(rounds)));
        return command;
    }

    private static Command Host()
    {
        var engine = new Argument<string>("engine");
        var path = new Argument<string>("path");
        (Option<int> threads, Option<string> weights, Option<string> libraries) = (Threads(), Weights(), Libraries());
        var command = new Command("host", "One engine, which does what its input asks for.") { engine, path, threads, weights, libraries };
        command.Hidden = true;
        command.SetAction(parsed => PeerHost.Run(() => parsed.GetRequiredValue(engine) == "own"
            ? new EnginePeer(parsed.GetRequiredValue(path), Options(s_weights.First(one => one.Name == parsed.GetRequiredValue(weights)).Scheme, parsed.GetValue(threads)), Context)
            : new LlamaCppPeer(parsed.GetRequiredValue(libraries), parsed.GetRequiredValue(path), parsed.GetValue(threads), Context)));
        return command;
    }

    private static ModelOptions Options(WeightScheme scheme, int threads) => new()
    {
        Weights = scheme,
        Include = scheme == WeightScheme.Stored ? null : LinearParts.All,
        Activations = ActivationPrecision.Int8,
        Threads = threads,
        LoadVision = false,
    };
}
