using System.Security.Cryptography;

namespace Llama4Kernels.Server.Answers;

/// <summary>Ids of answers and calls, which nobody can guess.</summary>
internal static class Ids
{
    /// <summary>A new one.</summary>
    public static string New(string prefix) => prefix + RandomNumberGenerator.GetHexString(24, lowercase: true);
}
