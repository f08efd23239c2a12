using System.Text.Json;
using Llama4Kernels.Engine;
using Microsoft.AspNetCore.Http;

namespace Llama4Kernels.Server.Errors;

/// <summary>What each error of the engine, of reading a request and of the server is to a client. One table, for answers and streams alike.</summary>
internal static class ErrorTable
{
    /// <summary>The client is gone; nobody is told. As nginx logs it.</summary>
    public const int ClientClosedRequest = 499;

    /// <summary>The error that a client is told.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="param">The field that it is about, where the error does not say.</param>
    public static ApiError Of(Exception error, string? param = null) => error switch
    {
        ApiException api => api.Error,
        Llama4Exception engine => OfEngine(engine, param),
        TimeoutException => Late(error),
        ObjectDisposedException => new ApiError(503, "service_unavailable_error", "shutting_down", null, "The server is ending."),
        BadHttpRequestException http => ApiError.Invalid(null, http.Message, http.StatusCode switch
        {
            StatusCodes.Status413PayloadTooLarge => "body_too_large",
            StatusCodes.Status408RequestTimeout => "timeout",
            _ => "invalid_http",
        }, http.StatusCode),
        JsonException => ApiError.Invalid(null, $"The body is not valid JSON: {error.Message}", "invalid_json"),
        ArgumentException argument => ApiError.Invalid(param, MessageOf(argument)),
        OutOfMemoryException => new ApiError(503, "service_unavailable_error", "out_of_memory", null, "There is no memory for this request now."),
        // What it was is in the log: it may tell of files and of other requests.
        _ => Internal,
    };

    private static ApiError Internal => new(500, "server_error", "internal_error", null, "The server had an error of its own.");

    /// <summary>Runs what reads a field; the engine's errors name the field.</summary>
    public static T At<T>(string param, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is Llama4Exception or ArgumentException)
        {
            throw new ApiException(Of(e, param), e);
        }
    }

    private static ApiError OfEngine(Llama4Exception error, string? param) => error.Kind switch
    {
        Llama4Error.ContextOverflow or Llama4Error.CacheFull => ApiError.Invalid(param, error.Message, "context_length_exceeded"),
        Llama4Error.ImageFormat => ApiError.Invalid(param, error.Reason, "invalid_image"),
        Llama4Error.Constraint => ApiError.Invalid(param, error.Message, "invalid_schema"),
        Llama4Error.ConstraintDeadEnd => ApiError.Invalid(param, error.Message, "constraint_dead_end"),
        Llama4Error.QueueFull => new ApiError(429, "rate_limit_error", "queue_full", null, "As many requests wait as may. Try again later."),
        Llama4Error.DeadlinePassed => Late(error),
        Llama4Error.EngineFailed => new ApiError(503, "service_unavailable_error", "engine_failed", null, error.Message),
        // Files and weights are the server's own.
        _ => Internal,
    };

    private static ApiError Late(Exception error) => new(504, "timeout_error", "timeout", null, error.Message);

    private static string MessageOf(ArgumentException e) =>
        e.ParamName is string name ? e.Message.Replace($" (Parameter '{name}')", string.Empty, StringComparison.Ordinal) : e.Message;
}
