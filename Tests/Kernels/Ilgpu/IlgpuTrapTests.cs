using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Runtime;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>
/// What ILGPU is known to translate badly must stand in no module. Each pattern is first shown to find its trap in a kernel
/// that falls into it.
/// </summary>
public sealed class IlgpuTrapTests
{
    private static readonly Lazy<KernelModule[]> s_modules = new(() => [.. IlgpuKernels.All.Select(kernel => IlgpuCompiler.Compile(kernel, 90))]);

    public static TheoryData<string, string> Traps => new()
    {
        { nameof(CopySign), @"\bcopysign\b" },
        { nameof(UnsignedToFloat), @"\.f64\b" },
        { nameof(Fused), @"\.extern (?!\.shared)" },
        { nameof(Exponential), @"\bex2\.approx" },
        { nameof(Logarithm), @"\blg2\.approx" },
        { nameof(HyperbolicTangent), @"\btanh\.approx" },
        { nameof(Sine), @"\bsin\.approx" },
        { nameof(LocalArray), @"\.local\b" },
        { nameof(HalfPrecision), @"\.f16\b" },
        { nameof(FloatAtomic), @"\b(atom|red)\." },
    };

    [Theory]
    [MemberData(nameof(Traps))]
    public void NoModuleFallsInto(string trap, string pattern)
    {
        MethodInfo method = typeof(IlgpuTrapTests).GetMethod(trap, BindingFlags.NonPublic | BindingFlags.Static)!;
        Assert.Matches(pattern, IlgpuCompiler.Compile(new IlgpuKernel("trap", method, 32), 90).Text);
        Assert.All(s_modules.Value, module => Assert.DoesNotMatch(pattern, module.Text));
    }

    [Fact]
    public void ModulesStandAloneWithExactArithmetic()
    {
        foreach (KernelModule module in s_modules.Value)
        {
            IlgpuKernel kernel = IlgpuKernels.Get(module.Name);
            Assert.StartsWith("// target: sm_90\n", module.Text);
            Assert.Contains("\n.target sm_90\n", module.Text);
            Assert.Matches($@"\.entry {Regex.Escape(module.Name)}\s*\(", module.Text);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $".maxntid {module.Spec.MaxThreads}, 1, 1"), module.Text);
            Assert.DoesNotMatch(@"\.approx|\.full\.|\.ftz|\bcall\b|\.callprototype", module.Text);
            Assert.DoesNotMatch(@"\b(div|sqrt|rcp)\.(?!rn\.f32\b|[us](32|64)\b)", module.Text);
            string header = module.Text[module.Text.IndexOf(".entry", StringComparison.Ordinal)..];
            Assert.Equal(module.Spec.Arguments.Count, kernel.Method.GetParameters().Length);
            Assert.Equal(module.Spec.Arguments.Count, Regex.Count(header[..header.IndexOf(')')], @"\.param\b"));
        }
    }

    /// <summary>ILGPU marks conditional branches as uniform that are not, which the ISA leaves undefined: no module keeps such a mark; a branch that all take keeps its own.</summary>
    [Fact]
    public void NoConditionalBranchClaimsToBeUniform()
    {
        const string Conditional = @"@!?%?\w+\s+bra\.uni\b";
        const string Marked = ".target sm_80\n.entry kernel_7()\n{\n\t@%p1\tbra.uni L_5;\n\t@!%p2 bra.uni L_6;\n\tbra.uni L_5;\n}\n";
        Assert.Equal(2, Regex.Count(Marked, Conditional));
        string text = IlgpuCompiler.Normalise(Marked, "kernel", 90);
        Assert.Contains("@%p1\tbra L_0;\n\t@!%p2 bra L_1;\n\tbra.uni L_0;\n", text, StringComparison.Ordinal);
        Assert.All(s_modules.Value, module => Assert.DoesNotMatch(Conditional, module.Text));
    }

    [Fact]
    public void EveryModuleParsesAsPtx() =>
        Assert.All(s_modules.Value, module => Assert.Equal(module.Name, Assert.Single(Llama4Kernels.PtxEmulator.Parsing.PtxModule.Parse(module.Text).Functions).Name));

    [Fact]
    public void StaticSharedMemoryAndTextStaySmall()
    {
        foreach (KernelModule module in s_modules.Value)
        {
            int shared = Regex.Matches(module.Text, @"\.shared \.align \d+ \.b8 \w+\[(\d+)\]").Sum(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
            Assert.True(shared <= 48 * 1024, $"{module.Name} takes {shared} bytes of shared memory.");
            // Arrays and loops that ILGPU unrolls would show here.
            Assert.True(module.Text.Length < 64 * 1024, $"{module.Name} has {module.Text.Length} characters.");
        }
    }

    [Fact]
    public void VectorsInSharedMemoryAreAligned()
    {
        // Views of device memory begin at allocations; shared memory is where the module itself must ask for it.
        Assert.Contains(s_modules.Value, module => module.Text.Contains("ld.shared.v4.f32", StringComparison.Ordinal));
        foreach (KernelModule module in s_modules.Value.Where(module => module.Text.Contains(".shared.v4.f32", StringComparison.Ordinal)))
        {
            Assert.Matches(@"\.shared \.align 16 ", module.Text);
        }
    }

    /// <summary>The arguments of CopySign are swapped.</summary>
    private static void CopySign(ArrayView<float> x) => x[0] = MathF.CopySign(x[1], x[2]);

    /// <summary>Detour through float64.</summary>
    private static void UnsignedToFloat(ArrayView<float> x, ArrayView<uint> n) => x[0] = n[0];

    /// <summary>A function the module does not define.</summary>
    private static void Fused(ArrayView<float> x) => x[0] = MathF.FusedMultiplyAdd(x[1], x[2], x[3]);

    private static void Exponential(ArrayView<float> x) => x[0] = MathF.Exp(x[1]);

    private static void Logarithm(ArrayView<float> x) => x[0] = MathF.Log(x[1]);

    private static void HyperbolicTangent(ArrayView<float> x) => x[0] = MathF.Tanh(x[1]);

    private static void Sine(ArrayView<float> x) => x[0] = MathF.Sin(x[1]);

    /// <summary>Slow memory behind an array that is indexed by a variable.</summary>
    private static void LocalArray(ArrayView<float> x, int n)
    {
        ArrayView<float> local = LocalMemory.Allocate<float>(4);
        local[n] = x[0];
        x[1] = local[n ^ 1];
    }

    /// <summary>The processor device rounds it differently.</summary>
    private static void HalfPrecision(ArrayView<ILGPU.Half> x, ArrayView<float> y) => x[0] = (ILGPU.Half)y[0];

    /// <summary>The order of additions would differ between runs.</summary>
    private static void FloatAtomic(ArrayView<float> x) => Atomic.Add(ref x[0], x[1]);
}
