using System.Collections.Concurrent;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>The kernels that are mutated: the device kernels in the launches of their own tests, and kernels of the corpus.</summary>
internal static class MutationCases
{
    /// <summary>Tests of the device kernels, and the groups' threads. Groups of half a warp take another way through reductions.</summary>
    private static readonly (int Threads, Action<DeviceKernelTests> Test)[] s_tests =
    [
        (64, tests => tests.Norms(37)),
        (64, tests => tests.Norms(300)),
        (16, tests => tests.Norms(37)),
        (64, tests => tests.Elementwise()),
        (64, tests => tests.EmbeddingsOfThreeFormats()),
        (64, tests => tests.Products("f32", 67, 6, 20)),
        (64, tests => tests.Products("f32", 3, 131, 18)),
        (64, tests => tests.Products("f32", 5, 8, 301)),
        (64, tests => tests.Products("f32", 2, 9, 524)),
        (64, tests => tests.Products("f32", 1, 5, 524)),
        (16, tests => tests.Products("f32", 5, 2, 70)),
        (16, tests => tests.Products("bf16", 5, 2, 35)),
        (16, tests => tests.Products("int4", 5, 2, 128)),
        (64, tests => tests.Products("f32", 5, 1, 20)),
        (64, tests => tests.Products("bf16", 5, 1, 19)),
        (64, tests => tests.Products("bf16", 67, 6, 20)),
        (64, tests => tests.Products("bf16", 3, 131, 35)),
        (64, tests => tests.Products("bf16", 9, 12, 268)),
        (64, tests => tests.Products("bf16", 1, 5, 524)),
        (64, tests => tests.Products("int4", 67, 6, 128)),
        (64, tests => tests.Products("int4", 2, 131, 128)),
        (64, tests => tests.Products("int4", 3, 12, 640)),
        (64, tests => tests.Products("int4", 5, 1, 128)),
        (64, tests => tests.Products("int4", 1, 5, 640)),
        (64, tests => tests.ExpertsTakeTheirOwnRowsInOneLaunch("f32", 18)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("Q4_K", 5, 35, 512)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("Q6_K", 3, 66, 256)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("Q2_K", 2, 3, 256)),
        (16, tests => tests.ProductsWithCodesAsTheyAreStored("Q3_K", 66, 2, 256)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("MXFP4", 1, 3, 64)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("IQ4_NL", 1, 3, 32)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("Q4_1", 1, 3, 64)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("uint8row-f32-zero", 4, 2, 387)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("uint4g64-bf16-affine", 1, 2, 192)),
        (64, tests => tests.ProductsWithCodesAsTheyAreStored("fp8g128-f32", 5, 2, 150)),
        (64, tests => tests.ExpertsWithCodesAsTheyAreStored("Q6_K", 256)),
        (64, tests => tests.ExpertsWithCodesAsTheyAreStored("uint4g32-bf16-zero", 96)),
        (64, tests => tests.ExpertsWithCodesAsTheyAreStored("int8row-f32", 7)),
        (64, tests => tests.EmbeddingsOfCodesAsTheyAreStored("Q5_K", 512)),
        (16, tests => tests.EmbeddingsOfCodesAsTheyAreStored("fp8g128-f32", 131)),
        (64, tests => tests.EmbeddingsOfCodesAsTheyAreStored("MXFP4", 64)),
        (64, tests => tests.EmbeddingsOfCodesAsTheyAreStored("Q3_K", 512)),
        (64, tests => tests.EmbeddingsOfCodesAsTheyAreStored("uint8g64-f16-affine", 128)),
        (64, tests => tests.PartsOfOutputsComeToTheirColumns()),
        (64, tests => tests.ActivationsBecomeTheProcessorsFp8Codes(1200f)),
        (16, tests => tests.ActivationsBecomeTheProcessorsFp8Codes(float.PositiveInfinity)),
        (32, tests => tests.RotationNormAndTheCacheWrite("f32", true, true, true)),
        (16, tests => tests.RotationNormAndTheCacheWrite("f32", false, true, true)),
        (64, tests => tests.RotationNormAndTheCacheWrite("bf16", true, false, true)),
        (16, tests => tests.RotationNormAndTheCacheWrite("bf16", false, true, false)),
        (32, tests => tests.RotationNormAndTheCacheWrite("bf16", true, true, true)),
        (32, tests => tests.AttentionOfPrefillAndDecode("f32", 9, 1)),
        (32, tests => tests.AttentionOfPrefillAndDecode("bf16", 9, 1)),
        (16, tests => tests.AttentionOfPrefillAndDecode("f32", 8, 1)),
        (16, tests => tests.AttentionOfPrefillAndDecode("bf16", 16, 2)),
        (64, tests => tests.TheBestExpertsOfEachRow(9, 3)),
        (64, tests => tests.TheBestExpertsOfEachRow(16, 1)),
        (64, tests => tests.RowsGoToTheirExpertsAndBack(11, 5, 2)),
        (64, tests => tests.RowsGoToTheirExpertsAndBack(150, 5, 1)),
        (64, tests => tests.TheFirstOfTheLogits(5, 4)),
        (16, tests => tests.TheFirstOfTheLogits(20, 4)),
        (64, tests => tests.SoftmaxSumsOfLargeLogits()),
        (16, tests => tests.SoftmaxSumsOfLargeLogits()),
        (64, tests => tests.PatchesOfTiles()),
        (64, tests => tests.ClassTokenAndPositions()),
        (32, tests => tests.AttentionWithinTiles(10, 2)),
        (64, tests => tests.PixelsAreShuffled()),
    ];

    private static readonly (int Threads, Action<DeviceRunner> Test)[] s_extra =
    [
        (64, device => ExtraLaunches.ScaledExperts(device, 1, 1, 6)),
        (64, device => ExtraLaunches.ScaledExperts(device, 2, 132, 6)),
        (64, device => ExtraLaunches.ScaledExperts(device, 2, 3, 268)),
        (16, device => ExtraLaunches.ScaledExperts(device, 2, 6, 35)),
        (64, ExtraLaunches.SmallAndInfiniteCodes),
        (64, ExtraLaunches.UnusualLogits),
        (64, ExtraLaunches.SteepGates),
        (32, device => ExtraLaunches.LongSplits(device, "f32")),
        (32, device => ExtraLaunches.LongSplits(device, "bf16")),
        (16, device => ExtraLaunches.ScaledRow(device, "f32")),
        (16, device => ExtraLaunches.ScaledRow(device, "bf16")),
    ];

    private static readonly string[] s_corpus =
    [
        "gemm_pipeline", "cp_async_basic", "cp_async_stages", "flash_attention", "matmul_tiled", "mma_bf16", "mma_s8", "ldmatrix_all",
        "named_barriers", "syncwarp_exchange", "mbarrier_sm80", "reduce_dynamic", "reduce_static", "scan_warp", "warp_reduce_divergent",
        "int4_matvec", "fp8_matvec",
    ];

    /// <summary>All cases, by name.</summary>
    public static IReadOnlyList<MutationCase> Load()
    {
        var recorded = new ConcurrentBag<(int Test, int Number, string Kernel, MutationLaunch Launch)>();
        Parallel.For(0, s_tests.Length + s_extra.Length, i =>
        {
            var runner = new RecordingRunner(i < s_tests.Length ? s_tests[i].Threads : s_extra[i - s_tests.Length].Threads);
            if (i < s_tests.Length)
            {
                using var tests = new Recorded(runner);
                s_tests[i].Test(tests);
            }
            else
            {
                s_extra[i - s_tests.Length].Test(runner);
            }
            for (int number = 0; number < runner.Launches.Count; number++)
            {
                recorded.Add((i, number, runner.Launches[number].Kernel, runner.Launches[number].Launch));
            }
        });
        IEnumerable<Func<MutationCase>> ours = recorded.OrderBy(one => one.Test).ThenBy(one => one.Number).GroupBy(one => one.Kernel)
            .Select(kernel => (Func<MutationCase>)(() => Make(kernel.Key, KernelTexts.Get(kernel.Key), kernel.Select(one => one.Launch))));
        return [.. ours.Concat(s_corpus.Select(name => (Func<MutationCase>)(() => Corpus(name)))).AsParallel().Select(make => make()).OrderBy(one => one.Name, StringComparer.Ordinal)];
    }

    private static MutationCase Make(string kernel, string text, IEnumerable<MutationLaunch> launches)
    {
        var module = PtxModule.Parse(text);
        HashSet<int> lines = [], divergent = [];
        return new MutationCase(kernel, text, [.. launches.Select(launch => launch.Harden(module, kernel, lines, divergent)).OrderBy(launch => launch.InstructionLimit)], lines, divergent);
    }

    private static MutationCase Corpus(string name)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(GoldenFiles.Path("ptx", $"{name}.json")));
        using SafeTensorsFile tensors = SafeTensorsFile.Open(GoldenFiles.Path("ptx", $"{name}.safetensors"));
        JsonElement root = json.RootElement;
        List<string> names = [];
        List<MutationBuffer> buffers = [];
        List<object?> arguments = [];
        foreach (JsonElement argument in root.GetProperty("args").EnumerateArray())
        {
            string type = argument.GetProperty("type").GetString()!;
            if (type != "ptr")
            {
                arguments.Add(Scalar(type, argument));
                continue;
            }
            string tensor = argument.GetProperty("tensor").GetString()!;
            if (!names.Contains(tensor))
            {
                names.Add(tensor);
                byte[] expected = Bytes(tensors, tensor);
                string initial = tensor.StartsWith("out.", StringComparison.Ordinal) ? $"init.{tensor[4..]}" : tensor;
                buffers.Add(new MutationBuffer(tensors.TryGet(initial, out _) ? Bytes(tensors, initial) : new byte[expected.Length], expected,
                    root.GetProperty("compare").TryGetProperty(tensor, out JsonElement compare) ? Comparison(tensors.Get(tensor).DType, compare) : Agreement.Exact));
            }
            arguments.Add(new BufferArgument(names.IndexOf(tensor), null));
        }
        var launch = new MutationLaunch(Extent(root.GetProperty("grid")), Extent(root.GetProperty("block")), root.GetProperty("dynamic_shared").GetInt32(), arguments, buffers);
        return Make(root.GetProperty("kernel").GetString()!, File.ReadAllText(GoldenFiles.Path("ptx", $"{name}.ptx")), [launch]);
    }

    private static object Scalar(string type, JsonElement argument) => type switch
    {
        "f32" => (object)argument.GetProperty("value").GetSingle(),
        "s32" => argument.GetProperty("value").GetInt32(),
        "u32" => (int)argument.GetProperty("value").GetUInt32(),
        "s64" => argument.GetProperty("value").GetInt64(),
        _ => throw new ArgumentException($"No case here has an argument of type {type}.", nameof(type)),
    };

    private static Agreement Comparison(SafeTensorsType type, JsonElement compare)
    {
        ElementFormat format = type switch
        {
            SafeTensorsType.F32 => ElementFormat.F32,
            SafeTensorsType.F64 => ElementFormat.F64,
            SafeTensorsType.F16 => ElementFormat.F16,
            SafeTensorsType.BF16 => ElementFormat.Bf16,
            _ => ElementFormat.Bytes,
        };
        return compare.GetProperty("mode").GetString() == "exact" || format == ElementFormat.Bytes
            ? Agreement.Exact
            : new Agreement(format, compare.GetProperty("tol").GetDouble(), 0, compare.TryGetProperty("abs", out JsonElement absolute) ? absolute.GetDouble() : 0);
    }

    private static unsafe byte[] Bytes(SafeTensorsFile file, string name)
    {
        TensorInfo tensor = file.Get(name);
        return new Span<byte>((void*)file.Address(tensor), (int)tensor.Bytes).ToArray();
    }

    private static CudaDim3 Extent(JsonElement extent) => new(extent[0].GetInt32(), extent[1].GetInt32(), extent[2].GetInt32());

    /// <summary>The tests of the kernels on a runner of our choice.</summary>
    private sealed class Recorded(DeviceRunner runner) : DeviceKernelTests(runner);
}
