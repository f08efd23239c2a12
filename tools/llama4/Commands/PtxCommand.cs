using System.CommandLine;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>ptx</c>: works on PTX files without a device.</summary>
internal static partial class PtxCommand
{
    public static Command Create(CommandConsole console) =>
        new("ptx", "Works on PTX files without a device.")
        {
            Check(console),
            Run(console),
            Count(console),
            Dump(console),
        };
}
