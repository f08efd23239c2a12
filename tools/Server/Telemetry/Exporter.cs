using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Llama4Kernels.Server.Telemetry;

/// <summary>Sends spans and metrics to a collector, where OpenTelemetry's own environment variables name one.</summary>
internal static class Exporter
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", Traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Metrics = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", Disabled = "OTEL_SDK_DISABLED";

    /// <summary>Adds what was asked for.</summary>
    /// <param name="services">The server's.</param>
    /// <param name="variable">The environment.</param>
    /// <returns>Whether anything is sent.</returns>
    public static bool Add(IServiceCollection services, Func<string, string?> variable)
    {
        bool IsSet(string name) => !string.IsNullOrWhiteSpace(variable(name));
        (bool traces, bool metrics) = (IsSet(Endpoint) || IsSet(Traces), IsSet(Endpoint) || IsSet(Metrics));
        if ((!traces && !metrics) || string.Equals(variable(Disabled)?.Trim(), "true", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
        OpenTelemetryBuilder telemetry = services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("llama4"));
        if (traces)
        {
            // The web server's spans take up the caller's trace.
            telemetry.WithTracing(tracing => tracing.AddSource(GenAi.Name, "Microsoft.AspNetCore").AddOtlpExporter());
        }
        if (metrics)
        {
            telemetry.WithMetrics(meters => meters.AddMeter(GenAi.Name, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel").AddOtlpExporter());
        }
        return true;
    }
}
