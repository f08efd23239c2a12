using System.Globalization;
using ScottPlot;

namespace Llama4Kernels.Benchmarks.Roofline;

/// <summary>All kernels of the processor beneath the machine's roofs: operations a second over operations a byte.</summary>
internal static class RooflinePicture
{
    private const int Width = 1400, Height = 900;

    // Operations a byte.
    private const double Least = 0.02, Most = 4000;

    /// <summary>Measures the kernels, prints them and draws the picture.</summary>
    /// <param name="path">A PNG file.</param>
    /// <param name="only">What names have to contain; empty for all.</param>
    public static void Run(string path, string only)
    {
        MachineCeilings machine = MachineCeilings.Measure();
        List<KernelRun> runs = [];
        foreach (KernelRun run in KernelRuns.Measure(only))
        {
            runs.Add(run);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{run.Room,-14} {run.Name,-52} {run.Seconds * 1e3,9:F3} ms, {run.Work.Bytes / run.Seconds / 1e9,6:F1} GB/s, {run.Work.Operations / run.Seconds / 1e9,7:F1} GFLOP/s, {run.Share,4:P0}{(run.Work.IsInMemory ? "" : " (in the caches)")}"));
        }
        machine = machine.Best(MachineCeilings.Measure());
        Draw(machine, runs).SavePng(path, Width, Height);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{machine.Threads} threads: FMA {machine.Fma / 1e9:F0}, BF16 dot {machine.BFloat16Dot / 1e9:F0}, integer dot {machine.IntegerDot / 1e9:F0} GFLOP/s, reading {machine.Reading / 1e9:F1} GB/s; {path} is written"));
    }

    private static Plot Draw(MachineCeilings machine, List<KernelRun> runs)
    {
        var plot = new Plot();
        foreach ((string name, double peak, double at) in ((string, double, double)[])[("FMA", machine.Fma, 0.2), ("BF16 dot", machine.BFloat16Dot, 0.2), ("integer dot", machine.IntegerDot, 0.2)])
        {
            if (peak > 0)
            {
                double corner = peak / machine.Reading;
                var line = plot.Add.Scatter((double[])[Log(Math.Min(Least, corner)), Log(corner), Log(Most)], (double[])[Log(machine.Reading * Math.Min(Least, corner) / 1e9), Log(peak / 1e9), Log(peak / 1e9)], Colors.Black);
                line.MarkerSize = 0;
                var text = plot.Add.Text(string.Create(CultureInfo.InvariantCulture, $"{name} {peak / 1e9:F0}"), Log(Most) - at, Log(peak / 1e9));
                text.LabelAlignment = Alignment.LowerRight;
            }
        }
        var reading = plot.Add.Text(string.Create(CultureInfo.InvariantCulture, $"reading {machine.Reading / 1e9:F0} GB/s"), Log(0.05), Log(machine.Reading * 0.05 / 1e9));
        reading.LabelAlignment = Alignment.UpperLeft;
        foreach (IGrouping<string, KernelRun> room in runs.Where(run => run.Work.Operations > 0).GroupBy(run => run.Room))
        {
            Color colour = plot.Add.Palette.GetColor(plot.Legend.ManualItems.Count);
            foreach (IGrouping<bool, KernelRun> place in room.GroupBy(run => run.Work.IsInMemory))
            {
                var points = plot.Add.ScatterPoints(
                    place.Select(run => Log(run.Work.Operations / run.Work.Bytes)).ToArray(), place.Select(run => Log(run.Work.Operations / run.Seconds / 1e9)).ToArray(), colour);
                points.MarkerSize = 9;
                points.MarkerShape = place.Key ? MarkerShape.FilledCircle : MarkerShape.OpenCircle;
            }
            plot.Legend.ManualItems.Add(new LegendItem { LabelText = room.Key, MarkerColor = colour, MarkerFillColor = colour, MarkerShape = MarkerShape.FilledCircle, MarkerSize = 9 });
        }
        plot.ShowLegend(Alignment.LowerRight);
        plot.Title(string.Create(CultureInfo.InvariantCulture, $"Kernels of the processor, {machine.Threads} threads (open: operands in the caches, which memory does not bound)"));
        plot.XLabel("operations per byte");
        plot.YLabel("GFLOP/s");
        foreach (IAxis axis in (IAxis[])[plot.Axes.Bottom, plot.Axes.Left])
        {
            axis.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic { LabelFormatter = value => Math.Pow(10, value).ToString("G3", CultureInfo.InvariantCulture), IntegerTicksOnly = true, MinorTickGenerator = new ScottPlot.TickGenerators.LogMinorTickGenerator() };
        }
        plot.Axes.SetLimits(Log(Least), Log(Most), Log(0.05), Log(2e3));
        return plot;
    }

    private static double Log(double value) => Math.Log10(value);
}
