namespace Llama4Kernels.Server.Errors;

/// <summary>An error as OpenAI's envelope has it.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Type">The kind of error.</param>
/// <param name="Code">What it is, for programs.</param>
/// <param name="Param">The field of the request at fault, as a path; null for none.</param>
/// <param name="Message">What is wrong, for people.</param>
internal sealed record ApiError(int Status, string Type, string Code, string? Param, string Message)
{
    public const string InvalidRequest = "invalid_request_error";

    /// <summary>A fault of the request.</summary>
    public static ApiError Invalid(string? param, string message, string code = "invalid_value", int status = 400) => new(status, InvalidRequest, code, param, message);

    /// <summary>Whether the client should come again later.</summary>
    public bool IsTemporary => Status is 429 or 503;
}
