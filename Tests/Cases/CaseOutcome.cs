namespace Llama4Kernels.Tests.Cases;

/// <summary>What a command did.</summary>
internal sealed record CaseOutcome(int Code, string Out, string Error)
{
    /// <summary>A stream by the name that expectations use.</summary>
    public string Of(string stream) => stream switch
    {
        "stdout" => Out,
        "stderr" => Error,
        _ => Out + Error,
    };
}
