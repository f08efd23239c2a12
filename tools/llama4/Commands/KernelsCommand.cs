using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>kernels</c>: which kernels the backends take for what.</summary>
internal static class KernelsCommand
{
    private const string Host = "cpu";

    public static Command Create(CommandConsole console)
    {
        var shape = new Option<string?>("--shape") { Description = "Print what each product of a published model takes: scout or maverick." };
        shape.AcceptOnlyFromAmong(ModelShape.Names);
        var rows = new Option<string>("--rows") { Description = "With --shape: numbers of rows.", DefaultValueFactory = _ => "1,8,64,512" };
        var device = new Option<string>("--device") { Description = "The device, which need not be there; with cpu, this machine's.", DefaultValueFactory = _ => "h100" };
        device.AcceptOnlyFromAmong([Host, .. DeviceLimits.Known.Select(known => known.Name)]);
        var weights = new Option<string>("--weights") { Description = "With --shape: format of the experts' weights, shared ones included; also one that only files have, such as q4_k or uint4g64-bf16-affine.", DefaultValueFactory = _ => "int4" };
        Option<string> activations = ActivationArgument.New("bf16");
        var force = new Option<string?>("--kernel") { Description = "With --shape: a product to take wherever it can be taken, by name." };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("kernels", "Lists the device kernels of the CUDA backend: for which operation, where from, when and why; with --device cpu, the products and the attention of the CPU; with --shape, what each product of a model takes.") { shape, rows, device, weights, activations, force, json };
        command.SetAction(parsed =>
        {
            bool onHost = parsed.GetRequiredValue(device) == Host;
            if (parsed.GetValue(shape) is not string model)
            {
                if (onHost)
                {
                    ListHost(console, parsed.GetValue(json));
                }
                else
                {
                    List(console, parsed.GetValue(json));
                }
                return 0;
            }
            DeviceLimits? limits = onHost ? null : DeviceLimits.Get(parsed.GetRequiredValue(device));
            WeightFormat format = Format(parsed.GetRequiredValue(weights));
            ActivationPrecision precision = ActivationArgument.Get(parsed, activations);
            int[] counts = Rows(parsed.GetRequiredValue(rows));
            Choice[] choices = [.. from product in ModelShape.Products(model)
                                   from count in counts
                                   let weight = product.Part is "experts" or "shared" ? format : WeightFormat.BF16
                                   let gemm = new GemmDesc(count, product.Outputs, product.Inner, weight, precision, product.Experts)
                                   select Choice.Of(product.Name, limits is null ? CpuKernelChoices.Choose(gemm, parsed.GetValue(force)) : KernelChoices.Choose(gemm, limits, parsed.GetValue(force)))];
            // The cache has the operands' precision, heads and table are the published models'.
            IReadOnlyList<OperationChoice> others = limits is null
                ? [CpuKernelChoices.ChooseAttention(ModelShape.Attention, CacheFormat(precision), precision)]
                : KernelChoices.Choose(Cache(precision), ModelShape.Attention, ElementType.BF16, precision, limits);
            Print(console, new Report(model, limits, choices, others), parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private static KvLayout Cache(ActivationPrecision precision) =>
        new(new EngineOptions().BlockTokens, 1, ModelShape.Attention.KvHeads, ModelShape.Attention.HeadDim, CacheFormat(precision));

    private static KvFormat CacheFormat(ActivationPrecision precision) => precision == ActivationPrecision.Float32 ? KvFormat.F32 : KvFormat.BF16;

    private static void List(CommandConsole console, bool json)
    {
        IReadOnlyList<KernelChoice> choices = KernelChoices.List(DeviceModules.Find());
        if (json)
        {
            ReportJson.Write(console, choices);
            return;
        }
        Table table = new Table().Border(TableBorder.Minimal).AddColumns("operation", "kernel", "source", "when and why");
        foreach (KernelChoice choice in choices)
        {
            table.AddRow(Markup.Escape(choice.Operation), Markup.Escape(choice.Kernel), Markup.Escape(choice.Source), Markup.Escape(choice.Reason));
        }
        console.Write(table);
    }

    private static void ListHost(CommandConsole console, bool json)
    {
        IReadOnlyList<CpuKernel> kernels = CpuKernelChoices.List();
        if (json)
        {
            ReportJson.Write(console, kernels);
            return;
        }
        console.Out.WriteLine($"this processor: {CpuKernelChoices.Machine}");
        Table table = new Table().Border(TableBorder.Minimal).AddColumns("kernel", "weights or cache", "layout", "operands", "how", "here");
        foreach (CpuKernel kernel in kernels)
        {
            table.AddRow(kernel.Name, kernel.Weights, kernel.Layout, kernel.Operands, Markup.Escape(kernel.Reason), Markup.Escape(kernel.Lacks ?? "yes"));
        }
        console.Write(table);
    }

    private static void Print(CommandConsole console, Report report, bool json)
    {
        if (json)
        {
            ReportJson.Write(console, report);
            return;
        }
        DeviceLimits? device = report.Device;
        console.Out.WriteLine(device is null
            ? $"{report.Shape} on this processor: {CpuKernelChoices.Machine}"
            : $"{report.Shape} on {device.Name}: sm_{device.Sm}, {device.Multiprocessors} multiprocessors, {device.SharedBytes / 1024} KB of shared memory a block");
        Table table = new Table().Border(TableBorder.Minimal).AddColumns("product", "rows", "weights", "layout", "operands", "kernel", "shared", "why");
        foreach (Choice choice in report.Products)
        {
            string passed = choice.Passed.Count == 0 ? "" : $"; passed: {string.Join("; ", choice.Passed)}";
            table.AddRow(
                Markup.Escape($"{choice.Product} {choice.Outputs} x {choice.Inner}"), choice.Rows.ToString(CultureInfo.InvariantCulture), choice.Weights, choice.Layout, choice.Operands,
                choice.Kernel, choice.SharedBytes.ToString(CultureInfo.InvariantCulture), Markup.Escape(choice.Reason + passed));
        }
        console.Write(table);
        if (report.Operations.Count == 0)
        {
            return;
        }
        Table others = new Table().Border(TableBorder.Minimal).AddColumns("operation", "of", "kernel", "why");
        foreach (OperationChoice choice in report.Operations)
        {
            string passed = choice.Passed.Count == 0 ? "" : $"; passed: {string.Join("; ", choice.Passed)}";
            others.AddRow(Markup.Escape(choice.Operation), Markup.Escape(choice.Case), choice.Kernel, Markup.Escape(choice.Reason + passed));
        }
        console.Write(others);
    }

    private static WeightFormat Format(string name) => KeptFormats.Find(name) ?? WeightFormat.Get(name);

    private static int[] Rows(string text) =>
        [.. text.Split(',').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0
            ? count
            : throw new ArgumentException($"--rows takes positive numbers with commas between them, not '{text}'."))];

    /// <summary>What each product of a model takes on a device, null for this processor, and a device's other operations that have a choice.</summary>
    internal sealed record Report(string Shape, DeviceLimits? Device, IReadOnlyList<Choice> Products, IReadOnlyList<OperationChoice> Operations);

    /// <summary>A product and the kernel that it takes.</summary>
    internal sealed record Choice(string Product, int Rows, int Outputs, int Inner, int Experts, string Weights, string Layout, string Operands, string Kernel, int SharedBytes, string Reason, IReadOnlyList<string> Passed)
    {
        public static Choice Of(string product, ProductChoice choice) => new(
            product, choice.Gemm.Rows, choice.Gemm.Outputs, choice.Gemm.Inner, choice.Gemm.Experts, choice.Gemm.Weights.Name, choice.Layout, choice.Operands, choice.Kernel, choice.SharedBytes, choice.Reason, choice.Passed);
    }
}
