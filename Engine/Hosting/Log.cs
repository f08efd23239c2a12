using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Hosting;

/// <summary>What a host's log says of its engine. Nothing of requests is logged.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Loading {Model} from {Path}.")]
    public static partial void Loading(ILogger log, string model, string path);

    [LoggerMessage(2, LogLevel.Information, "Loading {Model}: {Percent} % ({Done} of {Total} bytes).")]
    public static partial void Progress(ILogger log, string model, long percent, long done, long total);

    [LoggerMessage(3, LogLevel.Warning, "{Model}: {Warning}")]
    public static partial void Odd(ILogger log, string model, string warning);

    [LoggerMessage(4, LogLevel.Information, "{Model} is ready after {Seconds:F1} s; its weights take {Bytes} bytes, its cache up to {CacheBytes}; contexts of {Context} tokens.")]
    public static partial void Ready(ILogger log, string model, double seconds, long bytes, long cacheBytes, int context);

    [LoggerMessage(5, LogLevel.Error, "{Model} could not be loaded; every request will say so.")]
    public static partial void Failed(ILogger log, string model, Exception error);

    [LoggerMessage(6, LogLevel.Information, "The host stopped before {Model} was loaded.")]
    public static partial void Stopped(ILogger log, string model);

    [LoggerMessage(7, LogLevel.Warning, "{Model}: {Requests} requests still ran when the host could wait no longer; they were ended.")]
    public static partial void CutOff(ILogger log, string model, int requests);
}
