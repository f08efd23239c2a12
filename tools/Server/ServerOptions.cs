using System.Net;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Server;

/// <summary>Where a server listens, for whom, and its limits.</summary>
public sealed record ServerOptions
{
    /// <summary>The address to listen at. Beyond loopback it takes <see cref="ApiKeys"/> or <see cref="IsInsecure"/>.</summary>
    public IPAddress Address
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Address));
    } = IPAddress.Loopback;

    /// <summary>The port; 0 takes a free one.</summary>
    public int Port
    {
        get;
        init => field = value is >= 0 and <= IPEndPoint.MaxPort ? value : throw new ArgumentException($"{nameof(Port)} must be 0 to {IPEndPoint.MaxPort}, not {value}.", nameof(Port));
    } = 8080;

    /// <summary>What clients call the model. Not empty.</summary>
    public required string ModelName
    {
        get;
        init => field = string.IsNullOrWhiteSpace(value) ? throw new ArgumentException("The model needs a name.", nameof(ModelName)) : value;
    }

    /// <summary>Whoever has one of these keys may ask; null lets everyone who reaches the address.</summary>
    public ApiKeys? ApiKeys { get; init; }

    /// <summary>Listens beyond loopback without a key.</summary>
    public bool IsInsecure { get; init; }

    /// <summary>Origins whose pages may ask from a browser; none by default. "*" is every one.</summary>
    public IReadOnlyList<string> CorsOrigins { get; init; } = [];

    /// <summary>Names the metrics as vLLM does, for dashboards that are there already.</summary>
    public bool VllmMetricNames { get; init; }

    /// <summary>What a request may ask for.</summary>
    public ServerLimits Limits
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Limits));
    } = new();

    /// <summary>Where the log goes; null for nowhere.</summary>
    public Action<ILoggingBuilder>? Logging { get; init; }

    /// <exception cref="ArgumentException">It would listen beyond loopback to everyone.</exception>
    internal void Check()
    {
        if (!IPAddress.IsLoopback(Address) && ApiKeys is null && !IsInsecure)
        {
            throw new ArgumentException($"{Address} can be reached from other machines: give an API key (--api-key-file), or say that nobody needs one (--insecure).");
        }
    }
}
