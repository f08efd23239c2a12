namespace Llama4Kernels.Server.Errors;

/// <summary>What a client is told.</summary>
internal sealed class ApiException(ApiError error, Exception? inner = null) : Exception(error.Message, inner)
{
    public ApiError Error { get; } = error;

    /// <summary>A field has a value that it cannot have.</summary>
    public static ApiException Invalid(string? param, string message, string code = "invalid_value") => new(ApiError.Invalid(param, message, code));

    /// <summary>A field asks for what this server does not do.</summary>
    public static ApiException Unsupported(string param, string message) => new(ApiError.Invalid(param, message, "unsupported_value"));
}
