using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Files;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>ptx dump</c>: the modules as a driver would get them, for an assembler elsewhere.</summary>
internal static partial class PtxCommand
{
    private static Command Dump(CommandConsole console)
    {
        var folder = new Option<string>("--out", "-o") { Description = "Folder for the modules; made if absent.", Required = true };
        var target = new Option<int>("--sm")
        {
            Description = $"Compute capability: {string.Join(", ", DeviceModules.Targets)}.",
            DefaultValueFactory = _ => DeviceModules.Targets[^1],
            CustomParser = Numbers.Read<int>,
        };
        var command = new Command("dump", "Writes every PTX module that the engine would load, as it would load it; the first line names the target.") { folder, target };
        command.SetAction((parsed, cancellation) =>
        {
            int sm = parsed.GetValue(target);
            string path = parsed.GetRequiredValue(folder);
            var modules = new CombinedKernelModules(PtxKernelModules.All, DeviceModules.Find());
            Directory.CreateDirectory(path);
            foreach (string name in modules.Names)
            {
                cancellation.ThrowIfCancellationRequested();
                KernelModule module = modules.Get(name, sm);
                string file = FolderKernelModules.PathOf(path, name, module.Spec.Target);
                OutputFile.Write(file, writer => writer.Write(module.Text));
                console.Out.WriteLine(file);
            }
            console.Out.WriteLine($"{modules.Names.Count} modules for sm_{sm}");
            return Task.FromResult(0);
        });
        return command;
    }
}
