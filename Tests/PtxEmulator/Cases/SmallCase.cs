using System.Runtime.InteropServices;
using Llama4Kernels.Cli.Ptx;
using Llama4Kernels.PtxEmulator.Cases;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.PtxEmulator.Cases;

/// <summary>A case whose parts a test can spoil: y[i] += x[i] * factor, 32 numbers.</summary>
internal sealed class SmallCase
{
    public const string File = "small.json";

    public const string Kernel = """
        .version 8.0
        .target sm_80
        .address_size 64

        .visible .entry small(.param .u64 y, .param .u64 x, .param .u32 factor)
        {
            .reg .b32 %r<6>;
            .reg .b64 %rd<7>;
            ld.param.u64 %rd1, [y];
            ld.param.u64 %rd2, [x];
            ld.param.u32 %r1, [factor];
            cvta.to.global.u64 %rd3, %rd1;
            cvta.to.global.u64 %rd4, %rd2;
            mov.u32 %r2, %tid.x;
            mul.wide.u32 %rd5, %r2, 4;
            add.s64 %rd6, %rd3, %rd5;
            add.s64 %rd5, %rd4, %rd5;
            ld.global.u32 %r3, [%rd5];
            ld.global.u32 %r4, [%rd6];
            mad.lo.u32 %r5, %r3, %r1, %r4;
            st.global.u32 [%rd6], %r5;
            ret;
        }
        """;

    public string Json { get; set; } = """
        {"kernel":"small","arch":"sm_80","grid":[1,1,1],"block":[32,1,1],"dynamic_shared":0,
         "args":[{"type":"ptr","tensor":"out.y"},{"type":"ptr","tensor":"in.x"},{"type":"u32","value":3}],
         "compare":{"out.y":{"mode":"exact"}}}
        """;

    public string Ptx { get; set; } = Kernel;

    public List<CaseTensor> Tensors { get; } =
    [
        Numbers("in.x", i => i),
        Numbers("out.y", i => 100 + (3 * i)),
        Numbers("init.y", i => 100),
    ];

    public static CaseTensor Numbers(string name, Func<uint, uint> value) =>
        Tensor(name, CaseElement.U32, [.. Enumerable.Range(0, 32).Select(i => value((uint)i))]);

    public static CaseTensor Tensor<T>(string name, CaseElement element, params T[] values)
        where T : unmanaged =>
        new(name, element, [values.Length], MemoryMarshal.AsBytes(values.AsSpan()).ToArray());

    public PtxCase Read() => PtxCase.Read(File, Json, Ptx, Tensors);

    /// <summary>Writes the case to a folder.</summary>
    /// <returns>The JSON file's path.</returns>
    public string Write(ScratchFolder folder, string name = "small")
    {
        folder.Write(name + ".ptx", Ptx);
        CaseFiles.Write(folder.Path(name + ".safetensors"), Tensors);
        return folder.Write(name + ".json", Json);
    }
}
