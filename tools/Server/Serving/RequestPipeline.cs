using System.Diagnostics;
using System.Globalization;
using System.Net;
using Llama4Kernels.Engine;
using Llama4Kernels.Server.Answers;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Llama4Kernels.Server.Serving;

/// <summary>What every request goes through: who may ask, errors in their envelope, the log.</summary>
internal sealed partial class RequestPipeline(ServerState state)
{
    /// <summary>The path that needs no key, as whoever watches over the process has none.</summary>
    public const string LivePath = "/health/live";

    /// <summary>Under it an exchange has whose key was given.</summary>
    public const string TenantItem = "llama4.tenant";

    private const string Bearer = "Bearer ";

    /// <summary>The whole exchange.</summary>
    public async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        RequestRecord record = RequestRecord.Begin(context);
        bool hasLeft = false;
        try
        {
            CheckHost(context);
            Authenticate(context);
            await next(context).ConfigureAwait(false);
            if (context.Response is { HasStarted: false, StatusCode: 404 or 405 })
            {
                await JsonAnswer.WriteErrorAsync(context, NothingThere(context)).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (IsGone(context, e))
        {
            Log.ClientLeft(state.Log, e.GetType().Name);
            hasLeft = true;
        }
        catch (Exception e)
        {
            ApiError told = ErrorTable.Of(e, record.PromptField);
            Note(state, context, e, told);
            if (context.Response.HasStarted)
            {
                // The client must not take what it has for all of it.
                context.Abort();
            }
            else
            {
                await WriteErrorAsync(context, told).ConfigureAwait(false);
            }
        }
        finally
        {
            // A client that leaves while its answer is being written has not got it.
            record.End(hasLeft || context.RequestAborted.IsCancellationRequested ? ErrorTable.ClientClosedRequest : context.Response.StatusCode);
            state.Metrics.Add(record);
            Log.Request(state.Log, context.Request.Method, Short(context.Request.Path.ToUriComponent()), record.Status, record.Elapsed.TotalMilliseconds, record.PromptTokens, record.NewTokens);
        }
    }

    /// <summary>Runs what takes an engine, if there is one and room for one more request.</summary>
    public RequestDelegate Serve(string operation, Func<RequestScope, Task> serve) => async context =>
    {
        if (state.NotReady is ApiError notReady)
        {
            throw new ApiException(notReady);
        }
        if (!state.TryEnter())
        {
            throw new ApiException(new ApiError(429, "rate_limit_error", "too_many_requests", null, $"{state.Limits.MaxOpenRequests} requests are open, and no more may be. Try again later."));
        }
        RequestRecord record = RequestRecord.Of(context);
        record.BeginOperation(operation, state.Options.ModelName);
        using var scope = new RequestScope(context, state, state.Engine!);
        Activity? span = GenAi.Begin(record);
        string? error = null;
        try
        {
            await serve(scope).ConfigureAwait(false);
            error = record.Failure?.Code;
        }
        catch (Exception e)
        {
            Exception meant = scope.Translate(e);
            error = IsGone(context, e) ? "client_left" : ErrorTable.Of(meant).Code;
            if (ReferenceEquals(meant, e))
            {
                throw;
            }
            throw meant;
        }
        finally
        {
            GenAi.End(span, record, error);
            state.Leave();
        }
    };

    /// <summary>Whether nobody is there any more to be told of an error.</summary>
    public static bool IsGone(HttpContext context, Exception error) => error is ClientLeftException || context.RequestAborted.IsCancellationRequested;

    /// <summary>Writes down what went wrong with a request.</summary>
    public static void Note(ServerState state, HttpContext context, Exception error, ApiError told)
    {
        RequestRecord.Of(context).Failure = told;
        if (told.Status >= 500 && error is not (ApiException or TimeoutException or Llama4Exception { Kind: Llama4Error.DeadlinePassed }))
        {
            Log.Failed(state.Log, Short(context.Request.Path.ToUriComponent()), error);
        }
        else
        {
            Log.Refused(state.Log, told.Status, told.Code);
        }
        if (error is Llama4Exception { Kind: Llama4Error.EngineFailed })
        {
            state.Fail(error);
        }
    }

    private async Task WriteErrorAsync(HttpContext context, ApiError error)
    {
        if (error.IsTemporary)
        {
            context.Response.Headers.RetryAfter = state.Metrics.RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        }
        if (error.Status == StatusCodes.Status401Unauthorized)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
        }
        await JsonAnswer.WriteErrorAsync(context, error).ConfigureAwait(false);
    }

    /// <summary>
    /// Where no key is asked for, only this machine is: a page of elsewhere whose name was made to lead here is not, though its
    /// browser is on this machine.
    /// </summary>
    private void CheckHost(HttpContext context)
    {
        if (state.Options.ApiKeys is not null || !IPAddress.IsLoopback(state.Options.Address))
        {
            return;
        }
        string host = context.Request.Host.Host;
        bool isHere = host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host.AsSpan().Trim("[]"), out IPAddress? address) && IPAddress.IsLoopback(address));
        if (!isHere)
        {
            throw new ApiException(ApiError.Invalid(null, "Without an API key this server answers to localhost only.", "wrong_host", StatusCodes.Status403Forbidden));
        }
    }

    private void Authenticate(HttpContext context)
    {
        if (state.Options.ApiKeys is not ApiKeys keys || context.Request.Path == LivePath)
        {
            return;
        }
        StringValues header = context.Request.Headers.Authorization;
        string? tenant = header is [string value] && value.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? keys.TenantOf(value[Bearer.Length..].Trim()) : null;
        context.Items[TenantItem] = tenant ?? throw new ApiException(ApiError.Invalid(
            null,
            header.Count == 0 ? "An API key is needed: give the header 'Authorization: Bearer KEY'." : "The API key is not one of this server's.",
            "invalid_api_key",
            StatusCodes.Status401Unauthorized));
    }

    private static ApiError NothingThere(HttpContext context) => context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed
        ? ApiError.Invalid(null, $"{context.Request.Method} is not for this address; {context.Response.Headers.Allow} is.", "method_not_allowed", StatusCodes.Status405MethodNotAllowed)
        : ApiError.Invalid(null, "There is nothing at this address.", "not_found", StatusCodes.Status404NotFound);

    private static string Short(string path) => path.Length > 200 ? path[..200] : path;

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Method} {Path} {Status} in {Milliseconds:0.0} ms, {PromptTokens} prompt tokens, {NewTokens} new")]
        public static partial void Request(ILogger log, string method, string path, int status, double milliseconds, int promptTokens, int newTokens);

        [LoggerMessage(2, LogLevel.Debug, "refused with {Status} {Code}")]
        public static partial void Refused(ILogger log, int status, string code);

        [LoggerMessage(3, LogLevel.Error, "{Path} failed")]
        public static partial void Failed(ILogger log, string path, Exception error);

        [LoggerMessage(4, LogLevel.Debug, "the client left ({Error})")]
        public static partial void ClientLeft(ILogger log, string error);
    }
}
