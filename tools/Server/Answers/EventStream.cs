using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Llama4Kernels.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Answers;

/// <summary>
/// Server-sent events, each one JSON value. An event is sent as a whole or not at all. A client that reads too slowly is left by
/// the server (<see cref="ServerLimits.SlowClientTime"/>), which cancels the request.
/// </summary>
/// <param name="context">The exchange.</param>
/// <param name="slowest">How long a client may leave what was sent unread.</param>
internal sealed class EventStream(HttpContext context, TimeSpan slowest)
{
    private readonly ArrayBufferWriter<byte> _event = new();
    private Utf8JsonWriter? _json;

    /// <summary>Whether anything was sent: then there is no other answer any more.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Begins an event.</summary>
    /// <param name="name">Its name; null for none.</param>
    /// <returns>Takes its value.</returns>
    public Utf8JsonWriter Begin(string? name = null)
    {
        if (name is not null)
        {
            _event.Write("event: "u8);
            Encoding.UTF8.GetBytes(name, _event);
            _event.Write("\n"u8);
        }
        _event.Write("data: "u8);
        if (_json is null)
        {
            _json = new Utf8JsonWriter(_event, JsonAnswer.Options);
        }
        else
        {
            _json.Reset(_event);
        }
        return _json;
    }

    /// <summary>The event is complete; it is sent with the next <see cref="SendAsync"/>.</summary>
    public void End()
    {
        _json!.Flush();
        _event.Write("\n\n"u8);
    }

    /// <summary>Ends the event that was begun, if one was, and sends all.</summary>
    public ValueTask SendAsync(CancellationToken cancellation)
    {
        if (HasBegun && _event.WrittenCount == 0)
        {
            return ValueTask.CompletedTask;
        }
        Start();
        PipeWriter body = context.Response.BodyWriter;
        body.Write(_event.WrittenSpan);
        _event.ResetWrittenCount();
        ValueTask<FlushResult> flushed = body.FlushAsync(cancellation);
        return flushed.IsCompletedSuccessfully ? Check(flushed.Result) : WaitAsync(flushed);
    }

    /// <summary>The end, as OpenAI marks it.</summary>
    public ValueTask SendDoneAsync(CancellationToken cancellation)
    {
        _event.Write("data: [DONE]\n\n"u8);
        return SendAsync(cancellation);
    }

    /// <summary>Forgets what was begun and not sent.</summary>
    public void Drop() => _event.ResetWrittenCount();

    /// <summary>The client has not read what was sent before: it has its time to do so.</summary>
    private async ValueTask WaitAsync(ValueTask<FlushResult> flushed)
    {
        try
        {
            await Check(await flushed.AsTask().WaitAsync(slowest).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            context.Abort();
            throw new ClientLeftException();
        }
    }

    private static ValueTask Check(FlushResult result) =>
        // The connection is gone: nothing more can be sent.
        result.IsCompleted ? ValueTask.FromException(new ClientLeftException()) : ValueTask.CompletedTask;

    private void Start()
    {
        if (HasBegun)
        {
            return;
        }
        HasBegun = true;
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        // Proxies are to pass each event on as it comes.
        context.Response.Headers["X-Accel-Buffering"] = "no";
    }
}
