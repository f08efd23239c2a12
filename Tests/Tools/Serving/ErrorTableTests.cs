using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Server;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Serving;
using Llama4Kernels.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>What each error is to a client.</summary>
public sealed class ErrorTableTests
{
    public static TheoryData<Exception, int, string> Errors => new()
    {
        { new CacheFullException(1, 2), 400, "context_length_exceeded" },
        { new ImageFormatException("image", "is none."), 400, "invalid_image" },
        { new ConstraintException("pattern", "#", "is none."), 400, "invalid_schema" },
        { new ConstraintDeadEndException(3), 400, "constraint_dead_end" },
        { new ArgumentException("is wrong."), 400, "invalid_value" },
        { new JsonException("is none."), 400, "invalid_json" },
        { new BadHttpRequestException("is too large.", 413), 413, "body_too_large" },
        { new BadHttpRequestException("is too slow.", 408), 408, "timeout" },
        { new QueueFullException(4), 429, "queue_full" },
        { new ObjectDisposedException("engine"), 503, "shutting_down" },
        { new EngineFailedException(new InvalidOperationException("cause")), 503, "engine_failed" },
        { new OutOfMemoryException(), 503, "out_of_memory" },
        { new DeadlinePassedException(TimeSpan.FromSeconds(1), null), 504, "timeout" },
        { new TimeoutException("took too long."), 504, "timeout" },
        { new InvalidLogitsException(7, "NaN."), 500, "internal_error" },
        { new ModelFormatException("secret-file", null, "is broken."), 500, "internal_error" },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public void EachErrorHasItsStatusAndCode(Exception error, int status, string code)
    {
        ApiError told = ErrorTable.Of(error, "field");
        Assert.Equal((status, code), (told.Status, told.Code));
        // Faults of the server tell nothing of its files.
        Assert.DoesNotContain("secret-file", told.Message, StringComparison.Ordinal);
        Assert.Equal(status is 429 or 503, told.IsTemporary);
    }

    /// <summary>So that none is forgotten when the engine gets another.</summary>
    [Fact]
    public void EveryErrorOfTheEngineIsThere()
    {
        string[] all = [.. typeof(Llama4Exception).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Llama4Exception))).Select(type => type.Name)];
        Assert.Equal(Enum.GetNames<Llama4Error>().Select(kind => kind + nameof(Exception)).Order(StringComparer.Ordinal), all.Order(StringComparer.Ordinal));
        Assert.All(Errors.Select(row => row.Data.Item1).OfType<Llama4Exception>(), error => Assert.Equal(error.GetType().Name, error.Kind + nameof(Exception)));
        Assert.Equal("is none.", new ImageFormatException("image", "is none.").Reason);
        Assert.Equal("wrong.", new ModelFormatException("file", "field", "wrong.").Reason);
        // It has no public constructor; APromptMustLeaveRoomInTheContext meets it.
        Assert.Equal(all.Except([nameof(ContextOverflowException)]).Order(StringComparer.Ordinal), Errors.Select(row => row.Data.Item1).OfType<Llama4Exception>().Select(error => error.GetType().Name).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>Whoever watches over the process sees that its engine is gone.</summary>
    [Fact]
    public void AnEngineThatFailedIsNotReady()
    {
        using var state = new ServerState(new ServerOptions { ModelName = "m" }, NullLogger.Instance);
        var context = new DefaultHttpContext();
        RequestRecord.Begin(context);
        RequestPipeline.Note(state, context, new ImageFormatException("image", "is none."), ErrorTable.Of(new ImageFormatException("image", "is none.")));
        Assert.Equal("loading", state.NotReady?.Code);
        var error = new EngineFailedException(new InvalidOperationException("cause"));
        RequestPipeline.Note(state, context, error, ErrorTable.Of(error));
        Assert.Equal("engine_failed", state.NotReady?.Code);
        Assert.Equal(503, state.NotReady?.Status);
    }
}
