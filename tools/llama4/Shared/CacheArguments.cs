using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that say how much memory cached keys and values may take, and as what they are kept.</summary>
internal sealed class CacheArguments
{
    private readonly Option<long?> _bytes = new("--cache-bytes")
    {
        Description = "Memory that all cached keys and values may take, such as 512MiB or 2GiB; without it what the context needs, or a share of what is free if that is less.",
        CustomParser = ReadBytes,
    };

    private readonly Option<string?> _format = new("--cache-format")
    {
        Description = "What cached keys and values are kept as: bf16 or float32; without it as --activations says.",
    };

    public void AddTo(Command command)
    {
        _format.AcceptOnlyFromAmong("bf16", "float32");
        command.Add(_bytes);
        command.Add(_format);
    }

    /// <summary>The sizes with what the options say.</summary>
    public EngineOptions Read(ParseResult parsed, EngineOptions? sizes = null) => (sizes ?? new EngineOptions()) with
    {
        CacheBytes = parsed.GetValue(_bytes),
        CacheFormat = parsed.GetValue(_format) switch
        {
            "bf16" => KvFormat.BF16,
            "float32" => KvFormat.F32,
            _ => null,
        },
    };

    /// <summary>Says where a person watches how much the cache may take.</summary>
    public static void Print(CommandConsole console, long bytes, int context)
    {
        if (console.ErrorIsTerminal)
        {
            console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"cache of up to {ByteSize.Text(bytes)}, context of {context:N0} tokens"));
        }
    }

    private static long? ReadBytes(ArgumentResult result)
    {
        string text = result.Tokens[^1].Value;
        if (ByteSize.TryParse(text, out long bytes) && bytes > 0)
        {
            return bytes;
        }
        result.AddError($"--cache-bytes: '{text}' is not an amount of memory; give a number above 0 with B, KiB, MiB, GiB or TiB, as in 2GiB.");
        return null;
    }
}
