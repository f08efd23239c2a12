using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Llama4Kernels.Kernels.Backends;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>The engine in a host: options, loading, readiness, stopping.</summary>
public sealed class EngineHostTests
{
    private static readonly ChatOptions s_greedy = new() { Temperature = 0 };

    [Fact]
    public async Task TwoLinesAreEnough()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLlama4Engine(options => options.Model = GoldenFiles.SampleModel);
        builder.Services.AddLlama4ChatClient();
        using IHost host = builder.Build();
        await host.StartAsync();
        IChatClient client = host.Services.GetRequiredService<IChatClient>();
        Assert.Equal("Scout has 16 experts.", (await client.GetResponseAsync("How many experts does Scout have?", s_greedy)).Text);
        Assert.Equal("sample-model", client.GetRequiredService<ChatClientMetadata>().DefaultModelId);
        await host.StopAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("Who are you?"));
        Assert.Null(client.GetService<Llama4Engine>());
    }

    [Fact]
    public async Task OptionsComeFromConfigurationAndReachTheEngine()
    {
        var services = new ServiceCollection();
        services.AddLlama4Engine(Section(("Model", GoldenFiles.SampleModel), ("ModelId", "nano"), ("Threads", "1"), ("LoadVision", "false"), ("MaxContext", "128"), ("Weights", "int4"), ("Include", "Experts, Attention"),
            ("Activations", "Float32"), ("CacheBytes", "4000000"), ("CacheFormat", "F32"), ("WarmUp", "false"), ("DrainTimeout", "00:00:05")));
        services.AddLlama4Engine(options => options.KeepPrefixes = false);
        services.AddLlama4ChatClient("nano").UseFunctionInvocation();
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Single(services, service => service.ServiceType == typeof(Llama4EngineLoader));
        // Nobody started the host: who asks starts the loading.
        IChatClient client = provider.GetRequiredKeyedService<IChatClient>("nano");
        Assert.NotNull(client.GetService<FunctionInvokingChatClient>());
        Assert.Null(client.GetService<Llama4Engine>());
        await client.GetResponseAsync("Who are you?", new ChatOptions { ModelId = "nano", MaxOutputTokens = 4 });
        Llama4Engine engine = client.GetRequiredService<Llama4Engine>();
        Assert.Equal((128, false), (engine.MaxContext, engine.Model.HasVision));
        Assert.Equal((WeightScheme.Int4, LinearParts.Experts | LinearParts.Attention, 1), (engine.Model.Options.Weights, engine.Model.Options.Include, engine.Model.Options.Threads));
        Assert.InRange(engine.CacheBytes, 1, 4_000_000);
    }

    [Fact]
    public async Task AllFaultsOfTheOptionsStopTheStartInOneReport()
    {
        OptionsValidationException error = await StartFails(("Model", "no/such/folder"), ("Threads", "-1"), ("MaxContext", "0"), ("CacheBytes", "-5"), ("DrainTimeout", "-00:00:01"), ("ModelId", " "), ("Weights", "17"), ("Include", "64"), ("MaxQueue", "0"));
        foreach (string name in new[] { "Model", "Threads", "MaxContext", "CacheBytes", "DrainTimeout", "ModelId", "Weights", "Include", "MaxQueue" })
        {
            Assert.Contains(error.Failures, failure => failure.Contains(name, StringComparison.Ordinal));
        }
        Assert.Contains("Model", Assert.Single((await StartFails()).Failures), StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => StartWith(("Model", GoldenFiles.SampleModel), ("MaxContxt", "5")));
        var without = new ServiceCollection();
        without.AddLlama4ChatClient();
        using ServiceProvider provider = without.BuildServiceProvider();
        Assert.Contains("AddLlama4Engine", Assert.Throws<InvalidOperationException>(() => provider.GetRequiredService<IChatClient>()).Message, StringComparison.Ordinal);

        async Task<OptionsValidationException> StartFails(params (string, string)[] values) => await Assert.ThrowsAsync<OptionsValidationException>(() => StartWith(values));
    }

    [Fact]
    public async Task RequestsWaitWhileItLoadsAndReadinessSaysSo()
    {
        using var held = new ManualResetEventSlim();
        var log = new LogLines();
        using IHost host = NewHost(log, options => options.UseBackend(() =>
        {
            held.Wait();
            return new CpuBackend(new CpuBackendOptions { Threads = 1 });
        }));
        await host.StartAsync();
        Assert.Equal("loading", (await State(host)).State);
        IChatClient client = host.Services.GetRequiredService<IChatClient>();
        Task<ChatResponse> waits = client.GetResponseAsync("How many experts does Scout have?", s_greedy);
        using var impatient = new CancellationTokenSource(20);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync("Who are you?", s_greedy, impatient.Token));
        Assert.False(waits.IsCompleted);
        held.Set();
        Assert.Equal("Scout has 16 experts.", (await waits).Text);
        Assert.Equal(("ready", HealthStatus.Healthy), await State(host));
        Assert.Contains(log.Lines, line => line.StartsWith("Information: Loading sample-model: 100 %", StringComparison.Ordinal));
        Llama4Engine engine = host.Services.GetRequiredService<IChatClient>().GetRequiredService<Llama4Engine>();
        Assert.Contains(log.Lines, line =>
            line.StartsWith("Information: sample-model is ready", StringComparison.Ordinal) && line.Contains($"its cache up to {engine.CacheBytes};", StringComparison.Ordinal));
        await host.StopAsync();
        Assert.Equal(("stopping", HealthStatus.Unhealthy), await State(host));
    }

    /// <summary>A fault of the engine's own, here of its clock: requests are told, and so is who watches over the host.</summary>
    [Fact]
    public async Task AnEngineThatHasStoppedIsNotReady()
    {
        using Llama4Model model = Llama4Model.Load(GoldenFiles.SampleModel, new ModelOptions { Threads = 1, LoadVision = false });
        var clock = new BrokenClock();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLlama4Engine(options => options.Model = GoldenFiles.SampleModel);
        builder.Services.AddSingleton(services => new Llama4EngineLoader(
            services.GetRequiredService<IOptions<Llama4EngineOptions>>(), null, () => Task.FromResult(new Llama4Engine(model, new EngineOptions(), false, clock))));
        using IHost host = builder.Build();
        await host.StartAsync();
        Assert.Equal(("ready", HealthStatus.Healthy), await State(host));
        Llama4Engine engine = host.Services.GetRequiredService<Llama4EngineLoader>().Engine!;
        Assert.Null(engine.Failure);
        clock.IsBroken = true;
        var request = new GenerationRequest(Prompt.FromIds(1, 2), new GenerationOptions { MaxTokens = 4 }) { Deadline = TimeSpan.FromMinutes(1) };
        EngineFailedException error = await Assert.ThrowsAsync<EngineFailedException>(async () => await engine.GenerateAsync(request).LastAsync());
        Assert.Same(error.InnerException, engine.Failure);
        Assert.IsType<NotSupportedException>(engine.Failure);
        await Assert.ThrowsAsync<EngineFailedException>(async () => await engine.GenerateAsync(request).LastAsync());
        Assert.Equal(("failed", HealthStatus.Unhealthy), await State(host));
        await host.StopAsync();
        Assert.Equal(("stopping", HealthStatus.Unhealthy), await State(host));
    }

    [Fact]
    public async Task AFailedLoadIsTheErrorOfEveryRequest()
    {
        string empty = Directory.CreateTempSubdirectory("llama4-host").FullName;
        try
        {
            var log = new LogLines();
            using IHost host = NewHost(log, options => options.Model = empty);
            await host.StartAsync();
            IChatClient client = host.Services.GetRequiredService<IChatClient>();
            for (int i = 0; i < 2; i++)
            {
                ModelFormatException error = await Assert.ThrowsAsync<ModelFormatException>(() => client.GetResponseAsync("Who are you?"));
                Assert.Contains(empty, error.Message, StringComparison.Ordinal);
            }
            Assert.Equal(("failed", HealthStatus.Unhealthy), await State(host));
            Assert.IsType<ModelFormatException>(host.Services.GetRequiredService<Llama4EngineLoader>().Failure);
            Assert.Contains(log.Lines, line => line.StartsWith("Error: ", StringComparison.Ordinal) && line.EndsWith(nameof(ModelFormatException), StringComparison.Ordinal));
            Assert.Null(client.GetService<Llama4Engine>());
            await host.StopAsync();
        }
        finally
        {
            Directory.Delete(empty);
        }
    }

    [Fact]
    public async Task StoppingWaitsForThoseThatRun()
    {
        using IHost host = NewHost(new LogLines());
        await host.StartAsync();
        IChatClient client = host.Services.GetRequiredService<IChatClient>();
        await using IAsyncEnumerator<ChatResponseUpdate> stream = client.GetStreamingResponseAsync("How many experts does Scout have?", s_greedy).GetAsyncEnumerator();
        Assert.True(await stream.MoveNextAsync());
        Task stopping = host.StopAsync();
        ChatFinishReason? reason = null;
        while (await stream.MoveNextAsync())
        {
            reason = stream.Current.FinishReason;
        }
        Assert.Equal(ChatFinishReason.Stop, reason);
        await stopping;
    }

    [Fact]
    public async Task StoppingEndsThoseThatTakeTooLong()
    {
        var log = new LogLines();
        using IHost host = NewHost(log, options => options.DrainTimeout = TimeSpan.Zero);
        await host.StartAsync();
        IChatClient client = host.Services.GetRequiredService<IChatClient>();
        await using IAsyncEnumerator<ChatResponseUpdate> stream = client.GetStreamingResponseAsync("Who are you?", new() { RawRepresentationFactory = _ => new GenerationOptions { IgnoreEos = true } }).GetAsyncEnumerator();
        Assert.True(await stream.MoveNextAsync());
        await host.StopAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await stream.MoveNextAsync())
            {
            }
        });
        Assert.Contains(log.Lines, line => line.StartsWith("Warning: sample-model: 1 requests still ran", StringComparison.Ordinal));
    }

    [Fact]
    public async Task StoppingWhileItLoadsEndsTheLoading()
    {
        using var begun = new ManualResetEventSlim();
        using var held = new ManualResetEventSlim();
        var log = new LogLines();
        IHost host = NewHost(log, options => options.UseBackend(() =>
        {
            begun.Set();
            held.Wait();
            return new CpuBackend(new CpuBackendOptions { Threads = 1 });
        }));
        await host.StartAsync();
        begun.Wait();
        Task<ChatResponse> waits = host.Services.GetRequiredService<IChatClient>().GetResponseAsync("Who are you?");
        Task stopping = host.StopAsync();
        held.Set();
        await stopping;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waits);
        Assert.Contains(log.Lines, line => line.StartsWith("Information: The host stopped before", StringComparison.Ordinal));
        // More than once, and in either way.
        host.Dispose();
        host.Dispose();
    }

    private static IHost NewHost(LogLines log, Action<Llama4EngineOptions>? configure = null)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(log);
        builder.Services.AddLlama4Engine(options => options.Model = GoldenFiles.SampleModel);
        builder.Services.AddLlama4Engine(configure ?? (_ => { }));
        builder.Services.AddLlama4ChatClient();
        return builder.Build();
    }

    private static async Task StartWith(params (string, string)[] values)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLlama4Engine(Section(values));
        using IHost host = builder.Build();
        await host.StartAsync();
    }

    /// <summary>Tells the time until it is broken; when a request came it can still tell.</summary>
    private sealed class BrokenClock : TimeProvider
    {
        private int _asked;

        public bool IsBroken { get; set; }

        public override long GetTimestamp() => IsBroken && Interlocked.Increment(ref _asked) > 1 ? throw new NotSupportedException("The clock is broken.") : base.GetTimestamp();
    }

    private static async Task<(string State, HealthStatus Status)> State(IHost host)
    {
        HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Tags.Contains("ready"));
        HealthReportEntry entry = report.Entries[Llama4ServiceCollectionExtensions.HealthCheckName];
        return ((string)entry.Data["state"], entry.Status);
    }

    private static IConfiguration Section(params (string Name, string Value)[] values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values.Select(value => KeyValuePair.Create("Llama4:" + value.Name, (string?)value.Value))).Build().GetSection("Llama4");
}
