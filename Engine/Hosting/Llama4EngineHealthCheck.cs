using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Llama4Kernels.Hosting;

/// <summary>
/// Whether the engine takes requests: not while it is loading, nor after a failure, nor when the host stops. The entry
/// <c>state</c> tells these apart: <c>loading</c>, <c>failed</c>, <c>stopping</c>, <c>ready</c>.
/// </summary>
internal sealed class Llama4EngineHealthCheck(Llama4EngineLoader loader) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(Check(context.Registration.FailureStatus));

    private HealthCheckResult Check(HealthStatus bad)
    {
        if (loader.Engine is { } engine)
        {
            if (engine.Failure is { } failure)
            {
                return new HealthCheckResult(bad, $"{loader.ModelId} has stopped: {failure.Message}", failure, Data("failed"));
            }
            return HealthCheckResult.Healthy($"{loader.ModelId} is ready.", Data("ready", ("running", engine.Running), ("waiting", engine.Waiting), ("cacheBytes", engine.CacheBytes), ("usedBytes", engine.UsedBytes)));
        }
        if (loader.IsStopping)
        {
            return new HealthCheckResult(bad, $"{loader.ModelId}: the host stops.", null, Data("stopping"));
        }
        return loader.Failure is { } error
            ? new HealthCheckResult(bad, $"{loader.ModelId} could not be loaded: {error.Message}", error, Data("failed"))
            : new HealthCheckResult(bad, $"{loader.ModelId} is loading.", null, Data("loading", ("bytesDone", loader.Progress.BytesDone), ("bytesTotal", loader.Progress.BytesTotal)));
    }

    private static Dictionary<string, object> Data(string state, params ReadOnlySpan<(string Name, long Value)> numbers)
    {
        Dictionary<string, object> data = new(StringComparer.Ordinal) { ["state"] = state };
        foreach ((string name, long value) in numbers)
        {
            data[name] = value;
        }
        return data;
    }
}
