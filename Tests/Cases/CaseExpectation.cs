using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Interop.Files;

namespace Llama4Kernels.Tests.Cases;

/// <summary>The conditions that a case's outcome must meet.</summary>
internal static class CaseExpectation
{
    /// <summary>Null if all conditions of an entry hold, else what does not.</summary>
    public static string? Fault(JsonNode expect, CaseOutcome got, CaseOutcome? reference, CasePreparation prepared)
    {
        JsonObject[] entries = expect is JsonArray list ? [.. list.Select(entry => entry!.AsObject())] : [expect.AsObject()];
        string?[] faults = [.. entries.Select(entry => entry.Select(condition => Check(condition.Key, condition.Value!, got, reference, prepared)).FirstOrDefault(fault => fault is not null))];
        return faults.Any(fault => fault is null) ? null : string.Join(" | ", faults);
    }

    private static string? Check(string key, JsonNode value, CaseOutcome got, CaseOutcome? reference, CasePreparation prepared) => key switch
    {
        "rc" => Codes(value).Contains(got.Code) ? null : $"rc {got.Code}",
        "stdout" or "stderr" or "output" => Patterns(value).FirstOrDefault(pattern => !Regex.IsMatch(got.Of(key), pattern)) is { } absent ? $"{key} lacks {absent}" : null,
        "not_stdout" or "not_stderr" or "not_output" => Patterns(value).FirstOrDefault(pattern => Regex.IsMatch(got.Of(key[4..]), pattern)) is { } found ? $"{key[4..]} has {found}" : null,
        "stderr_lines" => got.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length <= value.GetValue<int>() ? null : "too many lines on stderr",
        "ids" => Regex.Matches(got.Out, @"-?\d+").Select(match => int.Parse(match.Value, CultureInfo.InvariantCulture)).SequenceEqual(value.AsArray().Select(id => id!.GetValue<int>())) ? null : "other ids",
        "same_stdout" => got.Out == reference!.Out ? null : $"stdout differs from '{reference.Out}'",
        "same_match" => Group(got, value) is { Length: > 0 } group && group == Group(reference!, value) ? null : "another match",
        "same_logits" => Logits(value[0]!.GetValue<string>(), value[1]!.GetValue<string>()),
        "files" => value.AsObject().Select(file => FileFault(file.Key, file.Value!)).FirstOrDefault(fault => fault is not null),
        "piped" => value is JsonObject pipes ? pipes.All(pipe => prepared.Piped(pipe.Key) >= pipe.Value!.GetValue<long>()) ? null : "too little came through the pipe" : "piped names no pipe",
        _ => $"the condition {key} is unknown",
    };

    private static int[] Codes(JsonNode value) => value is JsonArray list ? [.. list.Select(code => code!.GetValue<int>())] : [value.GetValue<int>()];

    private static IEnumerable<string> Patterns(JsonNode value) => value.AsArray().Select(pattern => pattern!.GetValue<string>());

    private static string Group(CaseOutcome outcome, JsonNode pattern) => Regex.Match(outcome.Of("output"), pattern.GetValue<string>()).Groups[1].Value;

    private static string? Logits(string a, string b)
    {
        using SafeTensorsFile first = SafeTensorsFile.Open(a), second = SafeTensorsFile.Open(b);
        return first.Get("logits").Shape.SequenceEqual(second.Get("logits").Shape) && ReferenceMetrics.Relative(first.ReadFloats("logits"), second.ReadFloats("logits")) is <= 1e-5 and var _
            ? null
            : "other logits";
    }

    private static string? FileFault(string path, JsonNode expected)
    {
        string? type = expected["type"]?.GetValue<string>();
        bool link = new FileInfo(path).LinkTarget is not null;
        FileKind kind = FileKinds.Of(path);
        bool right = type switch
        {
            "link" => link,
            "file" => !link && kind == FileKind.Regular,
            "device" or "pipe" => !link && kind == FileKind.Stream,
            _ => true,
        };
        return right && (expected["min_bytes"] is not JsonNode bytes || new FileInfo(File.ResolveLinkTarget(path, true)?.FullName ?? path).Length >= bytes.GetValue<long>())
            ? null
            : $"{path} is {kind}{(link ? ", a link" : "")}";
    }
}
