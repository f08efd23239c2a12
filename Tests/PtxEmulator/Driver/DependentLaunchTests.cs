using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>Programmatic dependent launch: grids overlap, and what nothing orders is found, launched one by one and in a graph.</summary>
public sealed class DependentLaunchTests
{
    private const int Count = 64;
    private const string Trigger = "griddepcontrol.launch_dependents;";
    private const string Wait = "griddepcontrol.wait;";
    private const string Load = "ld.global.u32 v, [a];";
    private const string Store = "st.global.u32 [b], v;";

    [Theory]
    [InlineData(Trigger, Wait + Load + Store)]
    [InlineData("", Wait + Load + Store)]
    [InlineData(Trigger, "ld.global.u32 w, [c];" + Wait + Load + Store)]
    [InlineData(Trigger, "setp.eq.u32 p, t, 0; @p griddepcontrol.wait; bar.sync 0;" + Load + Store)]
    [InlineData(Trigger, "setp.eq.u32 p, t, 0; @!p bra A; griddepcontrol.wait; A: bar.warp.sync -1; bar.sync 0;" + Load + Store)]
    [InlineData(Trigger, "cp.async.ca.shared.global [s], [c], 4; cp.async.commit_group;" + Wait + "cp.async.wait_all;" + Load + Store)]
    public void WhatWaitsReadsWhatWasWritten(string first, string second)
    {
        foreach (bool graph in new[] { false, true })
        {
            for (int seed = 0; seed < 6; seed++)
            {
                using var run = new Run(seed, graph, Producer(first), Kernel("consumer", second));
                Assert.Equal(CudaResult.Success, run.Result);
                Assert.Equal(Enumerable.Range(0, Count).Select(i => 7 * i), run.Output);
            }
        }
    }

    [Theory]
    [InlineData("ld.global.u32 v, [a]; //!\n" + Wait + Store)]
    [InlineData("ld.global.u32 v, [a]; //!\n" + Store)]
    [InlineData("ld.global.nc.u32 v, [a]; //!\n" + Wait + Store)]
    [InlineData("atom.global.add.u32 v, [a], 0; //!\n" + Wait + Store)]
    [InlineData("st.global.u32 [a], t; //!\n" + Wait + Load + Store)]
    [InlineData("st.global.u32 [c], t; //!\n" + Wait + Load + Store)]
    [InlineData("cp.async.ca.shared.global [s], [a], 4; //!\n cp.async.commit_group;" + Wait + "cp.async.wait_all; ld.shared.u32 v, [s];" + Store)]
    [InlineData("setp.eq.u32 p, t, 0; @p griddepcontrol.wait;\n ld.global.u32 v, [a]; //!\n" + Store)]
    [InlineData("setp.lt.u32 p, t, 32; @p griddepcontrol.wait; bar.warp.sync -1;\n ld.global.u32 v, [a]; //!\n" + Store)]
    public void WhatIsTouchedTooEarlyIsFound(string second)
    {
        foreach (bool graph in new[] { false, true })
        {
            // Without a trigger the grid starts at the predecessor's end, whose writes only the wait makes visible.
            foreach (string trigger in new[] { Trigger, "" })
            {
                using var run = new Run(0, graph, Producer(trigger), Kernel("consumer", second));
                Assert.Equal(CudaResult.LaunchFailed, run.Result);
                PtxFinding finding = Assert.Single(run.Driver.Findings);
                Assert.Equal(PtxFindingKind.MissingWait, finding.Kind);
                string[] lines = Kernel("consumer", second).Split('\n');
                bool unseen = !graph && trigger.Length == 0 && !second.Contains(Wait, StringComparison.Ordinal);
                bool there = finding.Kernel == "producer" ? graph && trigger.Length > 0 : lines[finding.Line - 1].Contains("//!", StringComparison.Ordinal);
                Assert.True(there || unseen, finding.ToString());
            }
        }
    }

    [Fact]
    public void GridsOverlapInAnOrderOfTheSeed()
    {
        HashSet<string> found = [];
        for (int seed = 0; seed < 20 && found.Count < 2; seed++)
        {
            string slow = Trigger + "mov.u32 w, 0; L: add.u32 w, w, 1; setp.lt.u32 p, w, 600; @p bra L;";
            using var run = new Run(seed, true, Producer(slow), Kernel("consumer", Load + Wait + Store));
            found.Add(Assert.Single(run.Driver.Findings).Kernel);
        }
        // The producer finds it if the consumer's load came before its store.
        Assert.Equal(["consumer", "producer"], found.Order());
    }

    [Fact]
    public void ALaunchWithoutTheAttributeWaitsForEverything()
    {
        foreach (bool graph in new[] { false, true })
        {
            using var run = new Run(0, graph, Producer(Trigger), Kernel("consumer", Load + Store)) { Overlaps = false };
            Assert.Equal(CudaResult.Success, run.Result);
        }
    }

    [Theory]
    [InlineData("stream")]
    [InlineData("context")]
    [InlineData("event")]
    [InlineData("fill")]
    public void WhatWasWaitedForCannotBeOverlapped(string how)
    {
        using var run = new Run(0, false, Producer(Trigger), Kernel("consumer", Load + Store)) { Between = how };
        Assert.Equal(CudaResult.Success, run.Result);
    }

    /// <summary>The wait is for the grid before. That one has to have waited itself for what came before it.</summary>
    [Theory]
    [InlineData(Wait + Trigger, Wait + Load + Store, true)]
    [InlineData(Trigger + Wait, Wait + Load + Store, true)]
    [InlineData(Trigger, Wait + Load + Store, false)]
    [InlineData("", Wait + Load + Store, false)]
    [InlineData(Wait + Trigger, Load + Wait + Store, true)]
    [InlineData(Trigger + Wait, Load + Wait + Store, false)]
    public void TwoGridsBack(string between, string last, bool good)
    {
        foreach (bool graph in new[] { false, true })
        {
            using var run = new Run(0, graph, Producer(Trigger), Kernel("between", between), Kernel("consumer", last));
            Assert.True((run.Result == CudaResult.Success) == good, $"{run.Result}, graph {graph}");
            Assert.Equal(good ? 0 : 1, run.Driver.Findings.Count);
        }
    }

    [Fact]
    public void AKernelThatNeverWaitsIsFoundThoughNothingWasKeptOfTheFirst()
    {
        using var good = new Run(0, false, Producer(""), Kernel("consumer", Wait + Load + Store)) { LoadsLate = true };
        Assert.Equal(CudaResult.Success, good.Result);
        using var run = new Run(0, false, Producer(""), Kernel("consumer", Load + Store)) { LoadsLate = true };
        Assert.Equal(CudaResult.LaunchFailed, run.Result);
        Assert.Contains("no griddepcontrol.wait", run.Driver.Findings[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BeforeSm90ThereIsNoSuchLaunch()
    {
        using var fixture = new DriverFixture(new EmulatedDriverOptions { Capability = 89 });
        CudaException error = Assert.Throws<CudaException>(() => CudaModule.Load(fixture.Context, Producer(Trigger).Replace("sm_90", "sm_89", StringComparison.Ordinal)));
        Assert.Equal(CudaResult.InvalidPtx, error.Result);
        Assert.Contains("requires .target sm_90", error.Log, StringComparison.Ordinal);
        using CudaModule module = CudaModule.Load(fixture.Context, DriverFixture.Kernels);
        using CudaStream stream = CudaStream.Create(fixture.Context);
        using CudaMemory data = CudaMemory.Allocate(fixture.Context, 128);
        using CudaKernelArguments arguments = DriverFixture.Fill(data, 1);
        Assert.Equal(CudaResult.NotSupported, DriverFixture.ResultOf(() => module.GetFunction("fill").Launch(stream, new(new(1), new(32)) { ProgrammaticSerialization = true }, arguments)));
    }

    private static string Producer(string before) => Kernel("producer", before + "\n ld.global.u32 v, [c]; mul.lo.u32 v, v, 7;\n st.global.u32 [a], v;");

    /// <summary>A kernel of 64 threads in two blocks, each with its words a, b, c of three buffers and s of shared memory.</summary>
    private static string Kernel(string name, string body) => $$"""
        .version 8.0
        .target sm_90
        .address_size 64
        .visible .entry {{name}}(.param .u64 x, .param .u64 y, .param .u64 z)
        {
        .shared .align 16 .b8 box[256]; .reg .pred p; .reg .b32 t, v, w, i, s; .reg .b64 a, b, c, o;
        mov.u32 t, %tid.x; mov.u32 i, %ctaid.x; mad.lo.u32 i, i, 64, t; mul.wide.u32 o, i, 4; mov.u32 s, box; mad.lo.u32 s, t, 4, s;
        ld.param.u64 a, [x]; ld.param.u64 b, [y]; ld.param.u64 c, [z]; add.u64 a, a, o; add.u64 b, b, o; add.u64 c, c, o;
        {{body}}
        ret;
        }
        """;

    /// <summary>Kernels launched one after another, all but the first so that they may overlap.</summary>
    private sealed class Run(int seed, bool graph, params string[] kernels) : IDisposable
    {
        private readonly DriverFixture _fixture = new(new EmulatedDriverOptions { Launch = new LaunchOptions { Seed = seed, Workers = 1 } });
        private CudaResult? _result;
        private int[] _output = [];

        public bool Overlaps { get; init; } = true;

        /// <summary>Each module is loaded when it is needed: what it holds is not known before.</summary>
        public bool LoadsLate { get; init; }

        public string Between { get; init; } = "";

        public EmulatedCudaDriver Driver
        {
            get
            {
                _ = Result;
                return _fixture.Driver;
            }
        }

        public IEnumerable<int> Output
        {
            get
            {
                _ = Result;
                return _output;
            }
        }

        public CudaResult Result => _result ??= Launch();

        public void Dispose()
        {
            _ = Result;
            _fixture.Dispose();
        }

        private CudaResult Launch()
        {
            CudaContext context = _fixture.Context;
            var modules = new List<CudaModule>();
            using CudaStream stream = CudaStream.Create(context);
            using CudaMemory a = CudaMemory.Allocate(context, 512), b = CudaMemory.Allocate(context, 512), c = CudaMemory.Allocate(context, 512);
            using CudaKernelArguments arguments = new CudaKernelArguments().Add(a.Address).Add(b.Address).Add(c.Address);
            c.Write<int>(Enumerable.Range(0, 128).ToArray());
            a.Write<int>(new int[128]);
            b.Write<int>(new int[128]);
            CudaFunction[] functions = LoadsLate ? [] : [.. kernels.Select(Function)];
            CudaFunction Function(string text)
            {
                CudaModule module = CudaModule.Load(context, text);
                modules.Add(module);
                return module.GetFunction(text.Split(".entry ")[1].Split('(')[0]);
            }
            void Issue()
            {
                for (int i = 0; i < kernels.Length; i++)
                {
                    CudaFunction function = !LoadsLate ? functions[i] : Function(kernels[i]);
                    function.Launch(stream, new(new(2), new(64)) { ProgrammaticSerialization = Overlaps && i > 0 }, arguments);
                    Wait(Between, context, stream, c);
                }
            }
            try
            {
                if (graph)
                {
                    using CudaGraph captured = stream.Capture(Issue);
                    using CudaGraphExec executable = captured.Instantiate();
                    executable.Launch(stream);
                    stream.Synchronize();
                }
                else
                {
                    Issue();
                    stream.Synchronize();
                }
                _output = new int[128];
                b.Read<int>(_output);
                _output = _output[..Count];
                return CudaResult.Success;
            }
            catch (CudaException e)
            {
                return e.Result;
            }
            finally
            {
                modules.ForEach(module => module.Dispose());
            }
        }

        private static void Wait(string how, CudaContext context, CudaStream stream, CudaMemory other)
        {
            switch (how)
            {
                case "stream":
                    stream.Synchronize();
                    break;
                case "context":
                    context.Synchronize();
                    break;
                case "event":
                    using (CudaEvent mark = CudaEvent.Create(context))
                    {
                        mark.Record(stream);
                        mark.Synchronize();
                    }
                    break;
                case "fill":
                    stream.Fill(other.Address + 508, 0, 4);
                    break;
            }
        }
    }
}
