using Llama4Kernels.Interop.Processors;

namespace Llama4Kernels.Tests.Interop.Processors;

/// <summary>Counting the cores of machines that this one is not.</summary>
public sealed class ProcessorCoresTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("llama4-cores-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string Status => Path.Combine(_folder.FullName, "status");

    /// <param name="siblings">For each processor the list of those on its core.</param>
    private void Machine(params string[] siblings)
    {
        for (int i = 0; i < siblings.Length; i++)
        {
            string topology = Path.Combine(_folder.FullName, $"cpu{i}", "topology");
            Directory.CreateDirectory(topology);
            File.WriteAllText(Path.Combine(topology, "thread_siblings_list"), siblings[i] + "\n");
        }
    }

    private int Cores(string allowed, int most)
    {
        File.WriteAllText(Status, $"Name:\tllama4\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\nMems_allowed_list:\t0\n");
        return ProcessorCores.Usable(Status, _folder.FullName, most);
    }

    [Theory]
    [InlineData("0-7", 8, 4)]
    [InlineData("0-127", 8, 4)] // a mask of more than the machine has
    [InlineData("0-3", 4, 4)] // one processor of each core
    [InlineData("0,4", 2, 1)] // both processors of a core
    [InlineData("1,3-4,7", 4, 3)]
    [InlineData("0-7", 2, 2)] // a quota of two processors' time
    [InlineData("6", 1, 1)]
    public void ProcessorsOfACoreCountOnce(string allowed, int most, int cores)
    {
        Machine("0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7");
        Assert.Equal(cores, Cores(allowed, most));
    }

    [Theory]
    [InlineData("0-1", 2, 2)]
    [InlineData("0", 1, 1)]
    public void CoresWithoutSiblingsCountAsTheyAre(string allowed, int most, int cores)
    {
        Machine("0", "1");
        Assert.Equal(cores, Cores(allowed, most));
    }

    [Theory]
    [InlineData("0-7")] // processors that the folder does not know
    [InlineData("")]
    [InlineData("x-y")]
    [InlineData("0-99999999999")]
    public void WhatCannotBeReadCountsAsTheRuntimeCounts(string allowed) => Assert.Equal(6, Cores(allowed, 6));

    [Fact]
    public void ASystemWithoutSuchFilesCountsAsTheRuntimeCounts()
    {
        Assert.Equal(6, ProcessorCores.Usable(Status, _folder.FullName, 6));
        File.WriteAllText(Status, "Name:\tllama4\n");
        Assert.Equal(6, ProcessorCores.Usable(Status, _folder.FullName, 6));
    }

    [Fact]
    public void ThisMachineHasACore() => Assert.InRange(ProcessorCores.Usable(), 1, Environment.ProcessorCount);
}
