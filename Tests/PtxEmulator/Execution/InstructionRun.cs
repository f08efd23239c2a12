using System.Runtime.InteropServices;
using System.Text;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Kernels made of text, run over columns of 64-bit words: thread i reads row i of every input and writes row i of every output.</summary>
/// <remarks>
/// A signature gives outputs and inputs by letters: <c>p</c> predicate, <c>h</c> 16, <c>r</c> 32, <c>l</c> 64 bits, <c>f</c> f32, <c>d</c> f64.
/// Outputs are registers x, y, z; inputs a, b, c, e, g, i, j, k.
/// </remarks>
internal static unsafe class InstructionRun
{
    private const int Threads = 256;
    private const string Outputs = "xyz";
    private const string Inputs = "abcegijk";

    /// <summary>Runs one instruction or several for all rows; gives one column per output letter.</summary>
    public static ulong[][] Execute(string body, string signature, ulong[][] columns)
    {
        string[] sides = signature.Split(',');
        int rows = columns[0].Length;
        ulong[][] results = [.. sides[0].Select(_ => new ulong[rows])];
        Launch(Text(body, sides[0], sides[1]), (rows + Threads - 1) / Threads, Threads, [.. columns, .. results], rows);
        return results;
    }

    /// <summary>A kernel k(arg0, arg1, ...) of pointers with the given body.</summary>
    public static string Kernel(int pointers, string body, string before = "") => $$"""
        .version 9.0
        .target sm_90a
        .address_size 64
        {{before}}
        .visible .entry k({{string.Join(", ", Enumerable.Range(0, pointers).Select(i => $".param .u64 arg{i}"))}})
        {
        {{body}}
        }
        """;

    /// <summary>Launches kernel k on buffers, which it may change. A row count, if there is one, is the last parameter.</summary>
    public static LaunchCounters Launch(string text, int blocks, int threads, ulong[][] buffers, int? rows = null, LaunchOptions? options = null, int dynamicShared = 0)
    {
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(PtxModule.Parse(text), memory);
        PtxKernel kernel = program.Kernel("k")!;
        nint[] places = [.. buffers.Select(buffer => memory.Allocate(buffer.Length * sizeof(ulong)))];
        for (int i = 0; i < buffers.Length; i++)
        {
            buffers[i].CopyTo(new Span<ulong>((void*)places[i], buffers[i].Length));
            memory.MarkDefined(places[i], buffers[i].Length * sizeof(ulong));
        }
        ulong[] parameters = [.. places.Select(place => (ulong)place), .. rows is int count ? [(ulong)count] : Array.Empty<ulong>()];
        LaunchCounters counters = KernelLaunch.Run(
            kernel,
            new CudaDim3(blocks, 1, 1),
            new CudaDim3(threads, 1, 1),
            dynamicShared,
            MemoryMarshal.AsBytes<ulong>(parameters)[..kernel.ParameterBytes],
            options ?? new LaunchOptions { Workers = 1 });
        for (int i = 0; i < buffers.Length; i++)
        {
            new ReadOnlySpan<ulong>((void*)places[i], buffers[i].Length).CopyTo(buffers[i]);
        }
        return counters;
    }

    /// <summary>Runs the body for blocks of threads with an output word each, %tid.x in register t; the output's address is in o, that of the data in m.</summary>
    public static ulong[] Threaded(string body, int threads = 32, int blocks = 1, LaunchOptions? options = null, string before = "", ulong[]? data = null)
    {
        var output = new ulong[threads * blocks];
        Launch(ThreadedText(body, threads, before), blocks, threads, [output, data ?? [0]], null, options);
        return output;
    }

    /// <summary>The finding with which the body ends; its line must be the one marked with <c>//!</c>.</summary>
    public static PtxFinding Finding(string body, int threads = 32, int blocks = 1, LaunchOptions? options = null, string before = "", ulong[]? data = null)
    {
        PtxFinding finding = Assert.Throws<PtxFindingException>(() => Threaded(body, threads, blocks, options, before, data)).Finding;
        string[] lines = ThreadedText(body, threads, before).Split('\n');
        int marked = Array.FindIndex(lines, line => line.Contains("//!", StringComparison.Ordinal)) + 1;
        Assert.True(marked == 0 || finding.Line == marked, $"line {marked} was expected: {finding}");
        Assert.Equal("k", finding.Kernel);
        return finding;
    }

    private static string ThreadedText(string body, int threads, string before) => Kernel(2, $$"""
        .reg .pred p<20>; .reg .b16 h<20>; .reg .b32 r<40>, t, w; .reg .b64 rd<40>, o, m; .reg .f32 f<20>; .reg .f64 d<20>; .reg .b128 q<8>;
        mov.u32 t, %tid.x;
        mov.u32 w, %ctaid.x;
        mad.lo.u32 w, w, {{threads}}, t;
        mul.wide.u32 m, w, 8;
        ld.param.u64 o, [arg0];
        add.u64 o, o, m;
        ld.param.u64 m, [arg1];
        {{body}}
        ret;
        """, before);

    private static string Text(string body, string outputs, string inputs)
    {
        var text = new StringBuilder();
        text.AppendLine(".reg .pred pp<2>; .reg .b32 rr<4>; .reg .b64 at<2>, base;");
        foreach ((char letter, char name) in outputs.Zip(Outputs).Concat(inputs.Zip(Inputs)))
        {
            text.AppendLine($".reg .{Type(letter)} {name};");
        }
        text.AppendLine("""
            mov.u32 rr0, %ctaid.x; mov.u32 rr1, %ntid.x; mov.u32 rr2, %tid.x; mad.lo.u32 rr0, rr0, rr1, rr2;
            """);
        int pointers = inputs.Length + outputs.Length;
        text.AppendLine("ld.param.u32 rr3, [rows]; setp.ge.u32 pp0, rr0, rr3; @pp0 ret; mul.wide.u32 at0, rr0, 8;");
        for (int i = 0; i < inputs.Length; i++)
        {
            text.AppendLine($"ld.param.u64 base, [arg{i}]; add.u64 at1, base, at0;");
            text.AppendLine(inputs[i] == 'p'
                ? $"ld.global.u32 rr1, [at1]; setp.ne.u32 {Inputs[i]}, rr1, 0;"
                : $"ld.global.{Type(inputs[i])} {Inputs[i]}, [at1];");
        }
        text.AppendLine(body);
        for (int i = 0; i < outputs.Length; i++)
        {
            text.AppendLine($"ld.param.u64 base, [arg{inputs.Length + i}]; add.u64 at1, base, at0;");
            text.AppendLine(outputs[i] == 'p'
                ? $"selp.u32 rr1, 1, 0, {Outputs[i]}; st.global.u32 [at1], rr1;"
                : $"st.global.{Type(outputs[i])} [at1], {Outputs[i]};");
        }
        text.AppendLine("ret;");
        return Kernel(pointers, text.ToString()).Replace($".param .u64 arg{pointers - 1})", $".param .u64 arg{pointers - 1}, .param .u32 rows)", StringComparison.Ordinal);
    }

    private static string Type(char letter) => letter switch
    {
        'p' => "pred",
        'h' => "b16",
        'r' => "b32",
        'l' => "b64",
        'f' => "f32",
        'd' => "f64",
        _ => throw new ArgumentOutOfRangeException(nameof(letter), letter, "No register letter."),
    };
}
