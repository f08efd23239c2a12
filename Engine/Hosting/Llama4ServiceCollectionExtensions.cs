using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds an engine and its clients to a host.</summary>
public static class Llama4ServiceCollectionExtensions
{
    /// <summary>The name of the engine's health check; it has the tag <c>ready</c>.</summary>
    public const string HealthCheckName = "llama4";

    /// <summary>
    /// Adds an engine that is loaded when the host starts, in the background, or when it is first asked for; its health check; and
    /// the <see cref="Llama4EngineLoader"/> that has it. Options are validated when the host starts. A host has one engine: a second call only sets options.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets the options, after configuration.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddLlama4Engine(this IServiceCollection services, Action<Llama4EngineOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<Llama4EngineOptions>().Configure(configure);
        return AddEngine(services);
    }

    /// <inheritdoc cref="AddLlama4Engine(IServiceCollection, Action{Llama4EngineOptions})"/>
    /// <param name="services">The host's services.</param>
    /// <param name="configuration">The section that has the options' values; a name that there is no option for is an error.</param>
    public static IServiceCollection AddLlama4Engine(this IServiceCollection services, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        services.AddOptions<Llama4EngineOptions>().Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true);
        return AddEngine(services);
    }

    /// <summary>Adds an <see cref="IChatClient"/> of the host's engine; requests wait while it is loading.</summary>
    /// <param name="services">The host's services, with <c>AddLlama4Engine</c> before or after.</param>
    /// <param name="key">The key of the client; null for the client without key.</param>
    /// <returns>What puts function invocation, logging, caching and the like around it.</returns>
    public static ChatClientBuilder AddLlama4ChatClient(this IServiceCollection services, object? key = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return key is null ? services.AddChatClient(Create) : services.AddKeyedChatClient(key, Create);

        static IChatClient Create(IServiceProvider provider) => new Llama4ChatClient(
            provider.GetService<Llama4EngineLoader>() ?? throw new InvalidOperationException($"The host has no engine: call {nameof(AddLlama4Engine)}."),
            provider.GetService<IPictureFetcher>());
    }

    private static IServiceCollection AddEngine(IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(Llama4EngineLoader)))
        {
            return services;
        }
        services.AddOptions<Llama4EngineOptions>().ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<Llama4EngineOptions>, Llama4EngineOptionsValidator>());
        services.AddSingleton<Llama4EngineLoader>();
        services.AddHostedService(provider => provider.GetRequiredService<Llama4EngineLoader>());
        services.AddHealthChecks().AddCheck<Llama4EngineHealthCheck>(HealthCheckName, tags: ["ready"]);
        return services;
    }
}
