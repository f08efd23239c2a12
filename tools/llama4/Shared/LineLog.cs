using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Cli.Shared;

/// <summary>A log of a line an entry, with the time and, beyond information, its level.</summary>
internal sealed class LineLog(TextWriter output) : ILoggerProvider
{
    private readonly TextWriter _output = TextWriter.Synchronized(output);

    public ILogger CreateLogger(string categoryName) => new Category(_output);

    public void Dispose()
    {
        // The stream is the console's.
    }

    private sealed class Category(TextWriter output) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string level = logLevel == LogLevel.Information ? string.Empty : $"{logLevel.ToString().ToLowerInvariant()}: ";
            string time = DateTimeOffset.Now.ToString("yyyy-MM-ddTHH:mm:ss.fffzzz", CultureInfo.InvariantCulture);
            output.WriteLine($"{time} {level}{formatter(state, exception)}{(exception is null ? string.Empty : $": {exception}")}".ReplaceLineEndings(" "));
        }
    }
}
