using System.Text.Json.Serialization;

namespace Llama4Kernels.Cli.Devices;

/// <summary>Writes the report without reflection, which native programs lack.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CalibrationReport))]
internal sealed partial class CalibrationJson : JsonSerializerContext;
