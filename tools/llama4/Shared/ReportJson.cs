using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Llama4Kernels.Cli.Commands;
using Llama4Kernels.Cli.Devices;
using Llama4Kernels.Cli.Evaluation;
using Llama4Kernels.Cli.Prediction;
using Llama4Kernels.Cli.Verification;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Prints what <c>--json</c> asks for. Written without reflection, which native programs lack: each report is named here.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(VerificationReport))]
[JsonSerializable(typeof(EvaluationReport))]
[JsonSerializable(typeof(CalibrationReport))]
[JsonSerializable(typeof(DoctorCommand.Report), TypeInfoPropertyName = "DoctorReport")]
[JsonSerializable(typeof(InspectCommand.Summary))]
[JsonSerializable(typeof(BenchCommand.Report), TypeInfoPropertyName = "BenchReport")]
[JsonSerializable(typeof(ServingBench.Report), TypeInfoPropertyName = "ServingBenchReport")]
[JsonSerializable(typeof(IReadOnlyList<KernelChoice>))]
[JsonSerializable(typeof(IReadOnlyList<CpuKernel>))]
[JsonSerializable(typeof(KernelsCommand.Report), TypeInfoPropertyName = "KernelsReport")]
[JsonSerializable(typeof(PredictionReport))]
[JsonSerializable(typeof(string))]
internal sealed partial class ReportJson : JsonSerializerContext
{
    /// <summary>Writes a report and ends the line.</summary>
    public static void Write<T>(CommandConsole console, T report) =>
        console.Out.WriteLine(JsonSerializer.Serialize(report, (JsonTypeInfo<T>)Default.GetTypeInfo(typeof(T))!));

    /// <summary>A text in quotes, with escapes.</summary>
    public static string Quote(string text) => JsonSerializer.Serialize(text, Default.String);
}
