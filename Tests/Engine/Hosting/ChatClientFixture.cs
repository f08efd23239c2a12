using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>One engine over the sample model for all tests of a class, and its client: bare, and in each of the usual wrappers.</summary>
public sealed class ChatClientFixture : IAsyncDisposable
{
    public const string Bare = "bare";

    public ChatClientFixture()
    {
        Model = Llama4Model.Load(GoldenFiles.SampleModel);
        Engine = new Llama4Engine(Model, ownsModel: true);
        Client = new Llama4ChatClient(Engine, "nano", new FolderFetcher());
    }

    public static IReadOnlyList<string> Wrappers { get; } = [Bare, "functions", "logging", "caching", "telemetry"];

    public Llama4Model Model { get; }

    public Llama4Engine Engine { get; }

    public IChatClient Client { get; }

    public static byte[] Picture { get; } = File.ReadAllBytes(GoldenFiles.Path("nano", "pictures", "one.png"));

    public static AIFunctionDeclaration Weather { get; } = Declare("get_weather", "Weather in a city");

    public static AIFunctionDeclaration Time { get; } = Declare("get_time", "Local time in a city");

    /// <summary>The client in a wrapper, which is new: a cache has nothing yet.</summary>
    public IChatClient Wrap(string wrapper) => wrapper switch
    {
        Bare => Client,
        "functions" => Client.AsBuilder().UseFunctionInvocation().Build(),
        "logging" => Client.AsBuilder().UseLogging(LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Debug))).Build(),
        "caching" => Client.AsBuilder().UseDistributedCache(NewCache()).Build(),
        "telemetry" => Client.AsBuilder().UseOpenTelemetry(sourceName: "tests").Build(),
        _ => throw new ArgumentOutOfRangeException(nameof(wrapper), wrapper, "Unknown."),
    };

    public static IDistributedCache NewCache() => new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions()));

    /// <summary>What the engine itself says to messages, and what it took.</summary>
    public async Task<(string Text, Usage Usage)> AskEngine(GenerationOptions options, params IReadOnlyList<Llama4Kernels.Engine.Chat.ChatMessage> messages)
    {
        var text = new System.Text.StringBuilder();
        Usage? usage = null;
        await foreach (GenerationUpdate update in Engine.GenerateAsync(new GenerationRequest(Model.Chat.EncodePrompt(messages), options)))
        {
            text.Append(update.Text);
            usage = update.Usage ?? usage;
        }
        return (text.ToString(), usage!);
    }

    public async ValueTask DisposeAsync() => await Engine.DisposeAsync();

    private static AIFunctionDeclaration Declare(string name, string description) => AIFunctionFactory.CreateDeclaration(
        name, description, JsonElement.Parse("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"""));

    /// <summary>Pictures of the tests by name.</summary>
    private sealed class FolderFetcher : IPictureFetcher
    {
        public Task<byte[]> FetchAsync(Uri address, CancellationToken cancellation) =>
            File.ReadAllBytesAsync(GoldenFiles.Path("nano", "pictures", address.Segments[^1]), cancellation);
    }
}
