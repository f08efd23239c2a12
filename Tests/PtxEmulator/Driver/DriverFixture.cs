using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>An emulated driver with one context, and small kernels.</summary>
internal sealed class DriverFixture : IDisposable
{
    public const string Header = ".version 8.0\n.target sm_80\n.address_size 64\n";

    /// <summary>data[i] = value + i for the threads of one block; a variable; a kernel that traps.</summary>
    public const string Kernels = Header + """
        .visible .global .align 4 .b32 counter[3] = {5, 6, 7};
        .visible .entry fill(.param .u64 data, .param .u32 value)
        {
          .reg .b64 %rd<4>; .reg .b32 %r<4>;
          ld.param.u64 %rd0, [data];
          ld.param.u32 %r0, [value];
          mov.u32 %r1, %tid.x;
          add.u32 %r2, %r0, %r1;
          mul.wide.u32 %rd1, %r1, 4;
          add.u64 %rd2, %rd0, %rd1;
          st.global.u32 [%rd2], %r2;
          ret;
        }
        .visible .entry broken()
        {
          trap;
        }
        """;

    /// <summary>A kernel with 40 KiB of shared memory and at most 64 threads.</summary>
    public const string Wide = Header + """
        .visible .entry wide() .maxntid 64, 1, 1
        {
          .shared .align 4 .b8 room[40960];
          ret;
        }
        """;

    public DriverFixture(EmulatedDriverOptions? options = null)
    {
        Driver = new EmulatedCudaDriver(options);
        Context = CudaContext.RetainPrimary(Driver);
    }

    public EmulatedCudaDriver Driver { get; }

    public CudaContext Context { get; }

    public static CudaKernelArguments Fill(CudaMemory data, int value) => new CudaKernelArguments().Add(data.Address).Add(value);

    public static CudaResult ResultOf(Action call) => Assert.Throws<CudaException>(call).Result;

    public void Dispose()
    {
        Context.Dispose();
        Driver.Dispose();
    }
}
