using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Interop.Cuda;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Sequences that join and leave: decoding comes in few shapes, each a graph, whatever their number, lengths and pages.</summary>
public sealed class StepShapeTests
{
    private const int MostSequences = 12;

    /// <summary>Short contexts, and some that span more page tables and splits by a thousand times than others beside them.</summary>
    [Theory]
    [InlineData("tiny-flat", 90, 120)]
    [InlineData("tiny-long", 9000, 9100)]
    public void AThousandJoinsAndLeavesRecordNothingNew(string name, int longestPrompt, int longestContext)
    {
        // It runs no kernels: what counts is what it is asked for.
        var driver = new RecordingDriver { IsQuiet = true };
        CudaBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), new ModelOptions
        {
            CreateBackend = () => backend = new CudaBackend(CudaContext.RetainPrimary(driver), EmulatedBackend.Modules, new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 4 << 20 }, ownsContext: true),
        });
        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 4096, BlockTokens = 16, CacheBytes = 64 << 20 });
        var random = new Random(5);
        List<Sequence> alive = [];
        // The largest steps first: what holds its intermediate results then never moves again.
        int joins = 0;
        // Lengths of all orders: half of them short.
        int Length() => Math.Max(1, (int)(longestPrompt * Math.Pow(random.NextDouble(), 6)));
        void Join()
        {
            Sequence sequence = runner.CreateSequence();
            runner.Prefill(sequence, Prompt.FromIds([.. Enumerable.Range(0, joins == 0 ? longestPrompt : Length()).Select(_ => random.Next(200))]));
            alive.Add(sequence);
            joins++;
        }
        void Leave(int index)
        {
            alive[index].Dispose();
            alive.RemoveAt(index);
        }
        void Decode() => runner.Decode([.. alive], [.. alive.Select(_ => random.Next(200))]);
        while (alive.Count < MostSequences)
        {
            Join();
        }
        while (alive.Count > 0)
        {
            Decode();
            Decode();
            Decode();
            Leave(random.Next(alive.Count));
        }
        int captured = 0;
        for (int round = 0; round < 3; round++)
        {
            // Two rounds to see all shapes, one to see that there are no others: a shape is a number of rows.
            captured = backend!.Graphs.Captured;
            for (joins = 0; joins < (round == 2 ? 1000 : 200);)
            {
                if (alive.Count == 0 || (alive.Count < MostSequences && random.Next(2) == 0))
                {
                    Join();
                }
                else
                {
                    Leave(random.Next(alive.Count));
                }
                while (alive.FindIndex(sequence => sequence.Length >= longestContext) is >= 0 and int longest)
                {
                    Leave(longest);
                }
                if (alive.Count > 0)
                {
                    Decode();
                }
            }
        }
        Assert.Equal(captured, backend!.Graphs.Captured);
        Assert.InRange(captured, 5, 6);
        Assert.True(backend.Graphs.Launched > 1500, $"{backend.Graphs.Launched} graphs were launched.");
        alive.ForEach(sequence => sequence.Dispose());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 4)]
    [InlineData(33, 64)]
    [InlineData(64, 64)]
    [InlineData(65, 65)]
    public void RowsOfARepeatedStepAreAPowerOfTwo(int rows, int padded) => Assert.Equal(padded, new StepSizes(4096, 64, 64).Padded(rows));

    [Fact]
    public void TheProcessorPadsNothing()
    {
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        Assert.Equal(3, cpu.Steps.Padded(3));
    }

    /// <summary>Rows that mean nothing change nothing: three sequences in a step of four rows have the logits that each has alone.</summary>
    [Fact]
    public void PaddedRowsAreHarmless()
    {
        using var emulated = new EmulatedBackend();
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = () => EmulatedBackend.Create(emulated.Driver) });
        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 16, MaxLogitRows = 4 });
        int[][] prompts = [[5], [21, 2], [3]];
        float[][] Steps(int[][] starts)
        {
            Sequence[] sequences = [.. starts.Select(_ => runner.CreateSequence())];
            for (int i = 0; i < starts.Length; i++)
            {
                runner.Prefill(sequences[i], Prompt.FromIds(starts[i]));
            }
            List<float[]> logits = [];
            for (int step = 0; step < 2; step++)
            {
                runner.Decode(sequences, [.. starts.Select(start => start[0] + step)]);
                logits.AddRange(Enumerable.Range(0, starts.Length).Select(row => runner.Logits(row).ToArray()));
            }
            foreach (Sequence sequence in sequences)
            {
                sequence.Dispose();
            }
            return [.. logits];
        }
        float[][] together = Steps(prompts);
        float[][] alone = Steps([prompts[1]]);
        for (int step = 0; step < alone.Length; step++)
        {
            float range = alone[step].Max() - alone[step].Min();
            Assert.All(alone[step].Zip(together[step * prompts.Length + 1]), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-5f * range));
        }
    }
}
