using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Tests.Repository;

/// <summary>The samples of the pages in <c>docs</c>, word for word, each in a region named for its page: they compile.</summary>
internal static class DocumentationSamples
{
    public static void Checkpoints(Llama4Model model)
    {
        #region docs/checkpoints.md
        using ReferenceFile reference = ReferenceFile.Open("scout-sky.safetensors");
        ReferenceReport report = ReferenceComparison.Run(model, reference);
        Console.WriteLine(report.Passed ? "as the reference" : $"first difference: {report.FirstDifference}, {report.Relative:E1} of the range");
        #endregion
    }

    public static void Constraints(Llama4Model model)
    {
        #region docs/constraints.md
        var compiler = new ConstraintCompiler(model.Tokenizer);          // one a vocabulary, thread-safe
        ITokenConstraint person = compiler.JsonSchema("""{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}""");
        var options = new GenerationOptions { Constraint = person };
        #endregion
        GC.KeepAlive(options);
    }

    public static void CudaBackendIfThereIsRoom(string folder, string cacheFolder)
    {
        #region docs/cuda-backend.md
        // The engine knows neither ILGPU nor the emulator: a host hands the backend in. Auto takes a device that has room, else the CPU (null).
        var options = new ModelOptions
        {
            CreateBackend = CudaBackendChoice.Auto(sizes => Llama4Engine.MeasureMemory(folder, new ModelOptions(), sizes), () => new IlgpuKernelModules(cacheFolder), out string reason),
        };
        // On the emulator: CreateBackend = () => CudaBackendChoice.Create(new EmulatedCudaDriver(), new IlgpuKernelModules())
        using Llama4Model model = Llama4Model.Load(folder, options);
        #endregion
        Console.WriteLine(reason);
    }

    public static void HostContext(ICudaDriver driver, nint hostContext, nint hostStream, IKernelModules modules)
    {
        #region docs/cuda-backend.md
        using CudaContext context = CudaContext.FromHandle(driver, hostContext);   // CUcontext
        using CudaStream stream = CudaStream.FromHandle(context, hostStream);      // CUstream; 0 is the legacy default stream, which cannot be captured: no graphs
        using var backend = new CudaBackend(context, modules, new CudaBackendOptions { Stream = stream });
        #endregion
    }

    public static void CompiledKernels()
    {
        #region docs/cuda-backend.md
        IKernelModules modules = new FolderKernelModules(FolderKernelModules.BesideProgram);
        #endregion
        GC.KeepAlive(modules);
    }

    public static void Driver(string ptx, long bytes, int count)
    {
        #region docs/cuda-driver.md
        if (!CudaDriver.TryLoad(out ICudaDriver? driver, out string reason))
        {
            throw new NotSupportedException(reason);                       // or use the CPU
        }
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using CudaModule module = CudaModule.Load(context, ptx);
        using CudaStream stream = CudaStream.Create(context);
        using CudaMemory memory = CudaMemory.Allocate(context, bytes);
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(memory.Address).Add(count);
        module.GetFunction("add_one").Launch(stream, new CudaLaunchConfig(new(8), new(128)), arguments);
        stream.Synchronize();
        #endregion
    }

    public static void Linking(CudaContext context, string first, string second)
    {
        #region docs/cuda-driver.md
        using CudaLinker linker = CudaLinker.Create(context);
        byte[] image = linker.AddPtx(first, "first.ptx").AddPtx(second, "second.ptx").Complete();
        using CudaModule module = CudaModule.Load(context, image);
        #endregion
    }

    public static void KernelOfAWriter()
    {
        #region docs/ptx-emitter.md
        var k = new KernelWriter("scale_rows", sm: 80, threads: 128, blocksPerProcessor: 8, "y = 2 x");
        Parameter<GlobalAddress> x = k.View("x", "[n] f32, n a multiple of 256");
        Reg<U32> thread = k.Register<U32>("thread", "thread of the block");
        Reg<GlobalAddress> at = k.Register<GlobalAddress>("at", "the thread's pair");
        Vec2<F32> pair = k.Pair<F32>("v", "two values");
        k.ThreadIndex(thread);
        k.Load(at, x);
        k.Advance(at, at, thread, 8);
        k.Load(pair, at);                   // ld.global.v2.f32: `at` is a global address
        k.Multiply(pair.X, pair.X, 2f);
        k.Store(at, pair.X);
        k.Return();
        KernelModule module = k.Module();
        #endregion
        GC.KeepAlive(module);
    }
}
