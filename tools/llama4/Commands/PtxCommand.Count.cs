using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Ptx;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.PtxEmulator.Cases;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>ptx count</c>: what a launch costs, counted on the emulator, and the time that a model predicts from it.</summary>
internal static partial class PtxCommand
{
    private static Command Count(CommandConsole console)
    {
        var path = new Argument<string>("case") { Description = "A case's JSON file; NAME.ptx and NAME.safetensors stand beside it." };
        var lines = new Option<bool>("--lines") { Description = "Also print the counters of every line of the text." };
        var registers = new Option<int>("--registers") { Description = "Registers of a thread as an assembler reports them; without it the declared ones count.", CustomParser = Numbers.Read<int> };
        var flight = new Option<double>("--in-flight") { Description = "Bytes on the way from memory per multiprocessor; without it they are guessed from the text.", CustomParser = Numbers.Read<double> };
        var early = new Option<bool>("--early-launch") { Description = "Assume programmatic dependent launch." };
        var command = new Command("count", "Counts instructions, sectors, bank conflicts and tensor operations of a launch and predicts its time on an H100: a model's figure, no measurement.") { path, lines, registers, flight, early };
        command.SetAction(parsed =>
        {
            var options = new CountOptions { Registers = parsed.GetValue(registers), BytesInFlight = parsed.GetValue(flight), EarlyLaunch = parsed.GetValue(early) };
            if (options.Registers is < 0 or > Hopper.RegistersPerThread)
            {
                throw new ArgumentException($"--registers must be 0 to {Hopper.RegistersPerThread}.");
            }
            if (!(options.BytesInFlight >= 0 && double.IsFinite(options.BytesInFlight)))
            {
                throw new ArgumentException("--in-flight must not be negative.");
            }
            PtxCase subject = CaseFiles.Read(parsed.GetRequiredValue(path));
            CaseCounts counts = CaseCounter.Count(subject, options);
            PrintTotals(subject, counts, console);
            PrintPrediction(counts.Prediction, console);
            if (parsed.GetValue(lines))
            {
                PrintLines(counts.Profile.Lines, console);
            }
            return 0;
        });
        return command;
    }

    private static void PrintTotals(PtxCase subject, CaseCounts counts, CommandConsole console)
    {
        LaunchProfile p = counts.Profile;
        void Line(string name, FormattableString text) => console.Out.WriteLine($"{name,-10} {FormattableString.Invariant(text)}");
        Line("kernel", $"{subject.Kernel}, grid {subject.Grid}, block {subject.Block}");
        Line("resources", $"{counts.DeclaredRegisters} registers declared (an assembler takes fewer), shared memory {counts.StaticShared} B static and {subject.DynamicShared} B dynamic, local {counts.LocalBytes} B; {counts.Work.ResidentBlocks} blocks per multiprocessor");
        Line("issued", $"{p.Instructions} warp instructions with {p.ActiveLanes:F1} lanes: {string.Join(", ", Enum.GetValues<Pipe>().Where(pipe => p.On(pipe) > 0).Select(pipe => $"{pipe.ToString().ToLowerInvariant()} {p.On(pipe)}"))}");
        Line("global", $"{p.GlobalRequests} requests, {p.ReadSectors + p.WriteSectors} sectors, {p.SectorsPerRequest:F2} sectors per request, efficiency {100 * p.SectorEfficiency:F1} %");
        Line("", $"{p.GlobalReadBytes} B read, {p.GlobalWriteBytes} B written; buffers {counts.BufferBytes} B");
        Line("shared", $"{p.SharedRequests} requests, {p.SharedBytes} B, {p.Wavefronts} wavefronts, {p.BankConflicts} bank conflicts");
        Line("tensor", $"{p.TensorOperations} operations");
        Line("in flight", $"{counts.Work.BytesInFlight:F0} B per multiprocessor");
    }

    private static void PrintPrediction(TimePrediction prediction, CommandConsole console)
    {
        Table table = CommandConsole.NewTable("predicted for an H100", "microseconds");
        foreach ((string name, double seconds) in prediction.Terms)
        {
            table.AddRow(name, Microseconds(seconds));
        }
        table.AddRow("total", Microseconds(prediction.Total));
        console.Write(table);
        console.Out.WriteLine(FormattableString.Invariant($"bound by {prediction.Bound} at {prediction.Clock / 1e9:F3} GHz; not measured, the model's constants are not calibrated"));
    }

    private static void PrintLines(IReadOnlyList<LineCounters> lines, CommandConsole console)
    {
        Table table = CommandConsole.NewTable("opcode", "line", "pipe", "executed", "lanes", "sectors", "global B", "wavefronts", "conflicts", "shared B", "tensor op");
        foreach (LineCounters line in lines)
        {
            table.AddRow(
                Markup.Escape(line.Opcode),
                line.Line.ToString(CultureInfo.InvariantCulture),
                line.Pipe.ToString().ToLowerInvariant(),
                line.Executions.ToString(CultureInfo.InvariantCulture),
                ((double)line.Lanes / line.Executions).ToString("F1", CultureInfo.InvariantCulture),
                Or(line.Sectors),
                Or(line.GlobalBytes),
                Or(line.Wavefronts),
                line.Wavefronts == 0 ? "-" : line.BankConflicts.ToString(CultureInfo.InvariantCulture),
                Or(line.SharedBytes),
                Or(line.TensorOperations));
        }
        console.Write(table);
    }

    private static string Or(long count) => count == 0 ? "-" : count.ToString(CultureInfo.InvariantCulture);

    private static string Microseconds(double seconds) => (1e6 * seconds).ToString("F3", CultureInfo.InvariantCulture);
}
