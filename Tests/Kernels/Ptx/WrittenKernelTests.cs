using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Checking;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.Kernels.Ptx;

/// <summary>The committed texts of the written kernels. LLAMA4_UPDATE_PTX=1 writes them anew.</summary>
public class WrittenKernelTests
{
    public static TheoryData<int> Kernels { get; } = [.. Enumerable.Range(0, WrittenKernels.All.Count)];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void TheTextIsWhatItsWriterGives(int index)
    {
        (string room, string name, int sm, KernelWriter writer) = WrittenKernels.All[index];
        string path = Path.Combine(GoldenFiles.Repository, "Kernels", room, PtxKernelModules.FileName(name, new KernelTarget(sm)));
        KernelModule module = writer.Module();
        if (Environment.GetEnvironmentVariable("LLAMA4_UPDATE_PTX") == "1")
        {
            File.WriteAllText(path, module.Text);
            return;
        }
        Assert.True(File.Exists(path) && File.ReadAllText(path) == module.Text, $"{path} is not what its writer gives; LLAMA4_UPDATE_PTX=1 updates it.");
        KernelModule shipped = PtxKernelModules.All.Get(name, sm);
        Assert.Equal(module.Text, shipped.Text);
        Assert.Equal((name, sm), (shipped.Name, shipped.Spec.Target.Sm));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void TheCheckerHasNothingToSay(int index) =>
        Assert.Empty(PtxChecker.Check(PtxModule.Parse(WrittenKernels.All[index].Writer.Module().Text)));

    [Fact]
    public void EveryShippedTextHasAWriter()
    {
        Assert.Equal(
            WrittenKernels.All.Select(kernel => PtxKernelModules.FileName(kernel.Name, new KernelTarget(kernel.Sm))).Order(StringComparer.Ordinal),
            PtxKernelModules.All.Names.SelectMany(name => PtxKernelModules.All.Targets(name).Select(target => PtxKernelModules.FileName(name, target))).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(80, 80)]
    [InlineData(86, 80)]
    [InlineData(89, 80)]
    [InlineData(90, 90)]
    [InlineData(120, 90)]
    public void ADeviceTakesTheLatestTextThatIsNotLater(int device, int expected) =>
        Assert.Equal(expected, PtxKernelModules.All.Get(WrittenKernels.All[0].Name, device).Spec.Target.Sm);

    [Fact]
    public void NoTextForEarlierDevicesOrUnknownNames()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => PtxKernelModules.All.Get(WrittenKernels.All[0].Name, 75));
        Assert.Throws<ArgumentException>(() => PtxKernelModules.All.Get("none", 90));
    }
}
