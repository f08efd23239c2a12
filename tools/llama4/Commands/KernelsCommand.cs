using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Kernels.Backends.Cuda;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>kernels</c>: which device kernels the CUDA backend takes for what.</summary>
internal static class KernelsCommand
{
    public static Command Create(CommandConsole console)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("kernels", "Lists the device kernels of the CUDA backend: for which operation, where from, when and why.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<KernelChoice> choices = KernelChoices.List(DeviceModules.Find());
            if (parsed.GetValue(json))
            {
                ReportJson.Write(console, choices);
                return 0;
            }
            Table table = new Table().Border(TableBorder.Minimal).AddColumns("operation", "kernel", "source", "when and why");
            foreach (KernelChoice choice in choices)
            {
                table.AddRow(Markup.Escape(choice.Operation), Markup.Escape(choice.Kernel), Markup.Escape(choice.Source), Markup.Escape(choice.Reason));
            }
            console.Write(table);
            return 0;
        });
        return command;
    }
}
