using System.Diagnostics;
using System.Text.Json;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Requests;
using Llama4Kernels.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Serving;

/// <summary>A request on its way: what it may use, how long it may take, and its answer.</summary>
internal sealed class RequestScope : IDisposable
{
    private readonly HttpContext _context;
    private readonly ServerState _state;
    private readonly CancellationTokenSource _source;
    private readonly long _begun = Stopwatch.GetTimestamp();

    /// <summary>Begins.</summary>
    /// <param name="context">The exchange.</param>
    /// <param name="state">The server.</param>
    /// <param name="engine">Who answers.</param>
    public RequestScope(HttpContext context, ServerState state, Llama4Engine engine)
    {
        _context = context;
        _state = state;
        Engine = engine;
        _source = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        Record = RequestRecord.Of(context);
        Alive();
    }

    public Llama4Engine Engine { get; }

    public ServerLimits Limits => _state.Limits;

    public string ModelName => _state.Options.ModelName;

    /// <summary>What is measured of it.</summary>
    public RequestRecord Record { get; }

    /// <summary>Whose prefixes it shares: those of the same key only.</summary>
    public string Salt => _context.Items[RequestPipeline.TenantItem] as string ?? string.Empty;

    /// <summary>The client is gone, or its time is over.</summary>
    public CancellationToken Cancellation => _source.Token;

    /// <summary>Something came: it may stand still again for as long as that may be, but not beyond its whole time.</summary>
    public void Alive()
    {
        TimeSpan left = Limits.RequestTime - Stopwatch.GetElapsedTime(_begun);
        _source.CancelAfter(left < Limits.IdleTime ? (left > TimeSpan.Zero ? left : TimeSpan.Zero) : Limits.IdleTime);
    }

    /// <summary>The request's JSON.</summary>
    public Task<JsonDocument> ReadBodyAsync() => RequestBody.ReadAsync(_context, Cancellation);

    /// <summary>What reads its pictures.</summary>
    public PictureReader Pictures() => new(Engine.Model, Limits, _state.Decoding);

    /// <summary>Refuses a request for another model. Who names none asks for the one that there is.</summary>
    public void CheckModel(Fields request)
    {
        if (request.Text("model") is string name && name != ModelName)
        {
            throw new ApiException(ApiError.Invalid("model", $"The model '{(name.Length > 100 ? name[..100] : name)}' does not exist; this server has '{ModelName}'.", "model_not_found", StatusCodes.Status404NotFound));
        }
    }

    /// <summary>Answers with JSON.</summary>
    public Task WriteAsync(Action<Utf8JsonWriter> write) => JsonAnswer.WriteAsync(_context, StatusCodes.Status200OK, write);

    /// <summary>
    /// Answers with a stream. What fails before its first event is an answer of its own; what fails later is the stream's last event.
    /// </summary>
    /// <param name="write">Writes the events.</param>
    /// <param name="fail">Writes an error as the last one.</param>
    public async Task StreamAsync(Func<EventStream, Task> write, Func<EventStream, ApiError, ValueTask> fail)
    {
        var stream = new EventStream(_context, Limits.SlowClientTime);
        try
        {
            await write(stream).ConfigureAwait(false);
        }
        catch (Exception e) when (stream.HasBegun && !RequestPipeline.IsGone(_context, e))
        {
            Exception error = Translate(e);
            ApiError told = ErrorTable.Of(error, Record.PromptField);
            RequestPipeline.Note(_state, _context, error, told);
            stream.Drop();
            await fail(stream, told).ConfigureAwait(false);
        }
    }

    /// <summary>A time that is over is an error of its own; that the client is gone is none.</summary>
    public Exception Translate(Exception error) =>
        error is OperationCanceledException && !_context.RequestAborted.IsCancellationRequested && _source.IsCancellationRequested
            ? new TimeoutException(Stopwatch.GetElapsedTime(_begun) >= Limits.RequestTime
                ? $"The request was not done after {Limits.RequestTime.TotalSeconds:0.#} s, its longest time."
                : $"Nothing came for {Limits.IdleTime.TotalSeconds:0.#} s.", error)
            : error;

    public void Dispose() => _source.Dispose();
}
