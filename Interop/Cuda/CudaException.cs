namespace Llama4Kernels.Interop.Cuda;

/// <summary>A call of the CUDA driver failed.</summary>
public sealed class CudaException : Exception
{
    /// <summary>The failed call.</summary>
    /// <param name="result">Its result, not <see cref="CudaResult.Success"/>.</param>
    /// <param name="call">Name of the driver function, with what it was called for where that helps.</param>
    /// <param name="log">The PTX compiler's log or what else the driver could say.</param>
    public CudaException(CudaResult result, string call, string? log = null)
        : base(Describe(result, call, log))
    {
        Result = result;
        Call = call;
        Log = log;
    }

    private CudaException(CudaException first)
        : base($"The CUDA context cannot be used any more since an earlier error: {first.Message}", first)
    {
        Result = first.Result;
        Call = first.Call;
        Log = first.Log;
    }

    /// <summary>The driver's code.</summary>
    public CudaResult Result { get; }

    /// <summary>The driver function that returned it.</summary>
    public string Call { get; }

    /// <summary>The PTX compiler's log or what else the driver could say, or null.</summary>
    public string? Log { get; }

    /// <summary>For calls after <paramref name="first"/> made a context unusable; has its result, call and log.</summary>
    internal static CudaException AfterFault(CudaException first) => new(first);

    private static string Describe(CudaResult result, string call, string? log)
    {
        string message = $"{call} failed: {result.Name()}.";
        if (result.IsSticky())
        {
            message += " An earlier asynchronous operation may be the cause.";
        }
        return string.IsNullOrWhiteSpace(log) ? message : message + Environment.NewLine + log.Trim();
    }
}
