using System.Text.RegularExpressions;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public sealed class IlgpuCompilerTests
{
    public static TheoryData<string> Names => [.. IlgpuKernels.All.Select(kernel => kernel.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_kernel_compiles_to_a_module_that_stands_alone(string name)
    {
        IlgpuKernel kernel = IlgpuKernels.Get(name);
        PtxModule module = IlgpuCompiler.Compile(kernel, 90);
        Assert.StartsWith("// target: sm_90\n", module.Text);
        Assert.Contains("\n.target sm_90\n", module.Text);
        Assert.Matches($@"\.entry {Regex.Escape(name)}\s*\(", module.Text);
        Assert.Equal(name, module.EntryName);
        // Undefined functions (FusedMultiplyAdd), conversions through float64 and coarse approximations.
        Assert.DoesNotContain(".extern", module.Text.Replace(".extern .shared", ""));
        Assert.DoesNotMatch(@"\.f64\b", module.Text);
        Assert.DoesNotContain("tanh.", module.Text);
        Assert.DoesNotContain("sin.approx", module.Text);
        Assert.DoesNotContain("ex2.approx", module.Text);
        Assert.DoesNotContain("copysign", module.Text);
        Assert.Equal(kernel.Method.GetParameters().Length, module.Arguments.Count);
        string header = module.Text[module.Text.IndexOf(".entry", StringComparison.Ordinal)..];
        Assert.Equal(module.Arguments.Count, Regex.Count(header[..header.IndexOf(')')], @"\.param\b"));
    }

    [Theory]
    [InlineData("rms_norm")]
    [InlineData("matmul_bf16")]
    public void Two_fresh_contexts_give_the_same_text(string name) =>
        Assert.Equal(IlgpuCompiler.Compile(IlgpuKernels.Get(name), 80).Text, IlgpuCompiler.Compile(IlgpuKernels.Get(name), 80).Text);

    [Fact]
    public void The_cache_is_used_and_a_damaged_file_is_made_again()
    {
        string folder = Directory.CreateTempSubdirectory("ptx").FullName;
        try
        {
            IlgpuKernel kernel = IlgpuKernels.Get("gelu");
            string text = IlgpuCompiler.Compile(kernel, 89, folder).Text;
            string path = Assert.Single(Directory.GetFiles(folder));
            Assert.Equal(text, File.ReadAllText(path));
            Assert.Equal(text, IlgpuCompiler.Compile(kernel, 89, folder).Text);
            File.WriteAllText(path, text[..^20]);
            Assert.Equal(text, IlgpuCompiler.Compile(kernel, 89, folder).Text);
            Assert.Equal(text, File.ReadAllText(path));
            Assert.Single(Directory.GetFiles(folder));
            IlgpuCompiler.Compile(kernel, 90, folder);
            Assert.Equal(2, Directory.GetFiles(folder).Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Arguments_have_the_sizes_of_the_launch()
    {
        PtxModule module = IlgpuCompiler.Compile(IlgpuKernels.Get("rms_norm"), 90);
        Assert.Equal([16, 16, 16, 4, 4], module.Arguments.Select(argument => argument.Bytes));
        Assert.Equal([true, true, true, false, false], module.Arguments.Select(argument => argument.IsView));
    }

    [Fact]
    public void Unknown_targets_and_names_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => IlgpuCompiler.Compile(IlgpuKernels.Get("gelu"), 75));
        Assert.Throws<ArgumentException>(() => IlgpuKernels.Get("nothing"));
    }
}
