using System.CommandLine;
using System.Text.Json;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Kernels.Backends.Cuda;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>kernels</c>: which device kernels the CUDA backend takes for what.</summary>
internal static class KernelsCommand
{
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create(CommandConsole console)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("kernels", "Lists the device kernels of the CUDA backend: for which operation, where from, when and why.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<KernelChoice> choices = KernelChoices.List(DeviceModules.Find());
            if (parsed.GetValue(json))
            {
                console.Out.WriteLine(JsonSerializer.Serialize(choices, s_json));
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
