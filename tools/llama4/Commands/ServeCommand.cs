using System.CommandLine;
using System.Net;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>serve</c>: answers to OpenAI's protocol over HTTP.</summary>
internal static class ServeCommand
{
    public static Command Create(CommandConsole console)
    {
        var host = new Option<string>("--host") { Description = "Address to listen at: localhost, or an IP address of this machine; 0.0.0.0 for all of them. Beyond localhost it takes --api-key-file or --insecure.", DefaultValueFactory = _ => "127.0.0.1" };
        var port = new Option<int>("--port", "-p") { Description = "Port to listen at; 0 takes a free one.", CustomParser = Numbers.Read<int>, DefaultValueFactory = _ => 8080 };
        var keys = new Option<string?>("--api-key-file") { Description = "File with the keys that clients may have, one a line." };
        var insecure = new Option<bool>("--insecure") { Description = "Lets everyone who reaches the address ask, without a key." };
        var origins = new Option<string[]>("--cors-origin") { Description = "Origin whose pages may ask from a browser, such as https://example.org; may be repeated. Default: none." };
        var name = new Option<string?>("--model-name") { Description = "What clients call the model. Default: the folder's name." };
        var context = new Option<int?>("--context") { Description = "Most tokens of a prompt and its answer together. Default: what the model was made for.", CustomParser = Numbers.ReadOptional<int> };
        var parallel = new Option<int?>("--parallel") { Description = "Most answers that are made at a time; others wait. Default: what suits the machine.", CustomParser = Numbers.ReadOptional<int> };
        var queue = new Option<int>("--queue") { Description = "Most requests that wait; another one is refused with 429.", CustomParser = Numbers.Read<int>, DefaultValueFactory = _ => 1024 };
        var vllm = new Option<bool>("--vllm-metrics") { Description = "Names the metrics as vLLM does." };
        var level = new Option<LogLevel>("--log-level") { Description = "The least that is logged, to the error stream. What is asked and answered is never logged.", DefaultValueFactory = _ => LogLevel.Information };
        var arguments = new ModelArguments(ActivationArgument.AsWeights);
        var cache = new CacheArguments();
        var limits = new LimitArguments();
        var command = new Command("serve", "Serves a model to clients of OpenAI's protocol, over HTTP.") { host, port, keys, insecure, origins, name, context, parallel, queue, vllm, level };
        arguments.AddTo(command);
        cache.AddTo(command);
        limits.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            LogLevel least = parsed.GetValue(level);
            var options = new ServerOptions
            {
                Address = AddressOf(parsed.GetRequiredValue(host)),
                Port = parsed.GetValue(port),
                ModelName = parsed.GetValue(name) ?? arguments.NameOf(parsed),
                ApiKeys = parsed.GetValue(keys) is string file ? ApiKeys.Read(file) : null,
                IsInsecure = parsed.GetValue(insecure),
                CorsOrigins = parsed.GetValue(origins) ?? [],
                VllmMetricNames = parsed.GetValue(vllm),
                Limits = limits.Read(parsed),
                Logging = logging => logging.SetMinimumLevel(least).AddFilter("Microsoft", LogLevel.Warning).AddProvider(new LineLog(console.Error)),
            };
            var sizes = cache.Read(parsed, new EngineOptions { MaxContext = parsed.GetValue(context), MaxLogitRows = parsed.GetValue(parallel), MaxQueue = parsed.GetValue(queue) });
            await using Llama4Server server = await Llama4Server.StartAsync(options, cancellation).ConfigureAwait(false);
            // Where it listens is what whoever starts it waits for.
            console.Out.WriteLine($"{server.Address} serves {options.ModelName}");
            console.Out.Flush();
            using Llama4Model model = await Task.Run(() => arguments.Load(parsed, console, cancellation), cancellation).ConfigureAwait(false);
            await using Llama4Engine engine = Generating.Start(model, console, sizes);
            server.Serve(engine);
            await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
            console.Error.WriteLine("llama4: waits for requests to end; once more ends them.");
            if (!await server.StopAsync().ConfigureAwait(false))
            {
                console.Error.WriteLine("llama4: ended requests that were not done in time.");
            }
            return 0;
        });
        return command;
    }

    private static IPAddress AddressOf(string host) =>
        host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(host, out IPAddress? address) ? address
        : throw new ArgumentException($"--host: '{host}' is neither localhost nor an IP address.");
}
