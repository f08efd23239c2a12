using System.Security.Cryptography;
using System.Text;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// A compiled device kernel: one module with one entry, which carries the kernel's name. The text begins with comments that
/// say all the rest, so a module is a file by itself.
/// </summary>
/// <param name="Spec">What is to be known of the kernel.</param>
/// <param name="Text">PTX.</param>
public sealed record KernelModule(KernelSpec Spec, string Text)
{
    private const string HashMark = "// sha256: ";

    /// <summary>The kernel's name.</summary>
    public string Name => Spec.Name;

    /// <summary>Makes the text of a module from bare PTX: what <see cref="Parse"/> reads.</summary>
    /// <param name="spec">What is to be known of the kernel.</param>
    /// <param name="ptx">PTX, lines ended by \n.</param>
    public static KernelModule Create(KernelSpec spec, string ptx)
    {
        ArgumentNullException.ThrowIfNull(spec);
        string content = spec.ToHeader() + ptx;
        return new KernelModule(spec, content.Insert(content.IndexOf('\n') + 1, $"{HashMark}{Hash(content)}\n"));
    }

    /// <summary>Reads a module.</summary>
    /// <exception cref="FormatException">The text is not that of a module, or damaged.</exception>
    public static KernelModule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split('\n', 3);
        string content = parts.Length < 3 ? "" : $"{parts[0]}\n{parts[2]}";
        if (parts.Length < 3 || parts[1] != HashMark + Hash(content))
        {
            throw new FormatException("This is no module of a device kernel, or it is damaged: target and hash do not stand at its head.");
        }
        return new KernelModule(KernelSpec.Parse(content), text);
    }

    /// <summary>What the head of a text says, changed or not since it was made; null for PTX that has no head.</summary>
    /// <exception cref="FormatException">The head is damaged.</exception>
    public static KernelSpec? SpecOf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('\n', 3) is [var first, var hash, var rest] && hash.StartsWith(HashMark, StringComparison.Ordinal) ? KernelSpec.Parse($"{first}\n{rest}") : null;
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
