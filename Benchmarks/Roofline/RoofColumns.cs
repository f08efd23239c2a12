using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Llama4Kernels.Benchmarks.Roofline;

/// <summary>Columns of BenchmarkDotNet: bytes and operations a second, and the share of the ceiling that this process measured.</summary>
/// <param name="name">Heading.</param>
/// <param name="legend">What it is.</param>
/// <param name="value">From work, seconds and the machine.</param>
internal sealed class RoofColumn(string name, string legend, Func<KernelWork, double, MachineCeilings, string> value) : IColumn
{
    private static readonly Lazy<MachineCeilings> s_machine = new(MachineCeilings.Measure);

    public string Id => $"{nameof(RoofColumn)}.{name}";

    public string ColumnName => name;

    public string Legend => legend;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    /// <summary>BenchmarkDotNet with these columns, in this process, whose ceilings they quote.</summary>
    public static IConfig Config { get; } = DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).AsMutator()).AddColumn(
        new RoofColumn("GB/s", "Bytes that have to be read and written, a second", (work, seconds, _) => Text(work.Bytes / seconds / 1e9)),
        new RoofColumn("GFLOP/s", "Operations that have to be done, a second", (work, seconds, _) => Text(work.Operations / seconds / 1e9)),
        new RoofColumn("Share", "Of the ceiling, measured in this process: reading memory (128 MiB and more) or the multipliers' peak, whichever takes longer", (work, seconds, machine) => (work.LeastSeconds(machine) / seconds).ToString("P0", CultureInfo.InvariantCulture)));

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        if (summary[benchmarkCase]?.ResultStatistics is not { } statistics || !benchmarkCase.Descriptor.Type.IsAssignableTo(typeof(IKernelBenchmark)))
        {
            return "-";
        }
        var benchmark = (IKernelBenchmark)Activator.CreateInstance(benchmarkCase.Descriptor.Type)!;
        KernelRuns.Set(benchmark, benchmarkCase.Parameters.Items.Select(item => (item.Name, (object?)item.Value)));
        return value(benchmark.Work(benchmarkCase.Descriptor.WorkloadMethod.Name), statistics.Median / 1e9, s_machine.Value);
    }

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;

    private static string Text(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
