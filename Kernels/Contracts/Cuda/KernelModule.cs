using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// A compiled device kernel: one module with one entry, which carries the kernel's name. The text begins with comments that
/// say all the rest, so a module is a file by itself.
/// </summary>
/// <param name="Name">The kernel's name, also the entry to look up in the loaded module.</param>
/// <param name="Sm">Compute capability it is for, 90 for sm_90.</param>
/// <param name="Text">PTX.</param>
/// <param name="Arguments">Parameters in order.</param>
/// <param name="MaxThreads">Most threads of a group it may be launched with.</param>
public sealed record KernelModule(string Name, int Sm, string Text, IReadOnlyList<KernelArgument> Arguments, int MaxThreads)
{
    private const string TargetMark = "// target: sm_";
    private const string KernelMark = "// kernel: ";
    private const string ThreadsMark = "// threads: ";
    private const string ArgumentMark = "// argument: ";
    private const string HashMark = "// sha256: ";

    /// <summary>Makes the text of a module from bare PTX: what <see cref="Parse"/> reads.</summary>
    /// <param name="name">Name of kernel and entry.</param>
    /// <param name="sm">Compute capability.</param>
    /// <param name="ptx">PTX, lines ended by \n.</param>
    /// <param name="arguments">Parameters in order.</param>
    /// <param name="maxThreads">Most threads of a group.</param>
    public static KernelModule Create(string name, int sm, string ptx, IReadOnlyList<KernelArgument> arguments, int maxThreads)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        var content = new StringBuilder();
        content.Append(CultureInfo.InvariantCulture, $"{KernelMark}{name}\n{ThreadsMark}{maxThreads}\n");
        foreach (KernelArgument argument in arguments)
        {
            content.Append(CultureInfo.InvariantCulture, $"{ArgumentMark}{argument.Name} {(argument.IsView ? "view" : "value")} {argument.Bytes}\n");
        }
        content.Append(ptx);
        return new KernelModule(name, sm, string.Create(CultureInfo.InvariantCulture, $"{TargetMark}{sm}\n{HashMark}{Hash(content.ToString())}\n{content}"), arguments, maxThreads);
    }

    /// <summary>Reads a module.</summary>
    /// <exception cref="FormatException">The text is not that of a module, or damaged.</exception>
    public static KernelModule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split('\n', 3);
        if (parts.Length < 3 || !parts[0].StartsWith(TargetMark, StringComparison.Ordinal) || parts[1] != HashMark + Hash(parts[2]))
        {
            throw new FormatException("This is no module of a device kernel, or it is damaged: target and hash do not stand at its head.");
        }
        string[] lines = parts[2].Split('\n');
        KernelArgument[] arguments = [.. lines.Skip(2).TakeWhile(line => line.StartsWith(ArgumentMark, StringComparison.Ordinal)).Select(Argument)];
        return new KernelModule(After(lines[0], KernelMark), Number(parts[0][TargetMark.Length..]), text, arguments, Number(After(lines[1], ThreadsMark)));
    }

    private static KernelArgument Argument(string line)
    {
        string[] words = line[ArgumentMark.Length..].Split(' ');
        return words is [string name, "view" or "value", string bytes]
            ? new KernelArgument(name, words[1] == "view", Number(bytes))
            : throw new FormatException($"'{line}' is no argument of a device kernel.");
    }

    private static string After(string line, string mark) => line.StartsWith(mark, StringComparison.Ordinal)
        ? line[mark.Length..]
        : throw new FormatException($"A module of a device kernel has '{line}' where '{mark}' should stand.");

    private static int Number(string digits) => int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
