using System.Text.RegularExpressions;
using Llama4Kernels.PtxEmulator.Checking;

namespace Llama4Kernels.Tests.PtxEmulator;

/// <summary>A row of forms.tsv or a bare form, wrapped into a module.</summary>
internal sealed partial record PtxForms(string Family, string Form, bool OnHopper, string Target, string Version, string[] RefusedAbove)
{
    public static readonly string[] Targets = "sm_70 sm_75 sm_80 sm_86 sm_89 sm_90 sm_90a sm_100 sm_100a sm_103a sm_120 sm_120a".Split(' ');

    public static readonly string[] Versions = "6.0 6.1 6.2 6.3 6.4 6.5 7.0 7.1 7.2 7.3 7.4 7.5 7.6 7.7 7.8 8.0 8.1 8.2 8.3 8.4 8.5 8.6 8.7 8.8 9.0".Split(' ');

    public static IEnumerable<PtxForms> All =>
        File.ReadLines(GoldenFiles.Path("ptx-forms", "forms.tsv")).Skip(1).Select(line => line.Split('\t'))
            .Select(cells => new PtxForms(cells[0], cells[1], cells[2] == "yes", cells[3], cells[4], cells[5].Split(',')));

    public static IReadOnlyList<PtxDiagnostic> Check(string form, string target = "sm_90a", string version = "9.0") =>
        PtxChecker.Check(Module(form, target, version));

    public static string Module(string form, string target = "sm_90a", string version = "9.0") =>
        $$"""
            .version {{version}}
            .target {{target}}
            .address_size 64
            .visible .entry k(.param .u64 pa, .param .align 64 .b8 tmap[128])
            {
              .reg .pred p<9>; .reg .b16 h<20>; .reg .b32 r<260>; .reg .b64 rd<20>; .reg .f32 f<260>; .reg .f64 d<20>; .reg .b128 q<9>;
              .shared .align 128 .b8 sm[1024];
              {{Expand(form)}}
              ret;
            }
            """;

    public static string? Error(string form, string target = "sm_90a", string version = "9.0") =>
        Check(form, target, version).FirstOrDefault(one => one.Severity == PtxSeverity.Error)?.Message;

    private static string Expand(string form) => RegisterRange().Replace(form, match =>
    {
        int first = match.Groups[3].Success ? int.Parse(match.Groups[3].Value) : 0;
        return "{" + string.Join(',', Enumerable.Range(first, int.Parse(match.Groups[2].Value)).Select(i => match.Groups[1].Value + i)) + "}";
    });

    [GeneratedRegex(@"\{(\w+):(\d+)(?:\+(\d+))?\}")]
    private static partial Regex RegisterRange();
}
