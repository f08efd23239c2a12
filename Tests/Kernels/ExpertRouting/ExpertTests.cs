using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.ExpertRouting;

public sealed class ExpertTests
{
    [Fact]
    public void TiesGoToTheLowerIndexAndNaNComesLast()
    {
        using var team = new ThreadTeam(1);
        using var logits = new HostTensor(3, 5);
        new float[] { 1, 3, 3, 2, 3, float.NaN, float.NegativeInfinity, -1, float.NaN, 0, float.NaN, float.NaN, float.NaN, float.NaN, float.NaN }.CopyTo(logits.Values);
        using var routing = new CpuRouting(4, 5, 3);
        TopKRouting.Run(team, logits.View, routing);
        Assert.Equal([1, 2, 4, 4, 2, 1, 0, 1, 2], routing.Experts.ToArray());
        Assert.Equal(1 / (1 + Math.Exp(-3)), routing.Scores[0], 1e-7);
        Assert.Equal(0.5f, routing.Scores[3]);
        Assert.Equal(0f, routing.Scores[5]);
        Assert.Equal(0f, routing.Scores[6]);
        Assert.Equal(3, routing.Rows);
    }

    [Fact]
    public void ChoosesWhatSortingChooses()
    {
        using var team = new ThreadTeam(3);
        using HostTensor logits = HostTensor.Random(301, 128, 4, 5f);
        using var routing = new CpuRouting(301, 128, 4);
        TopKRouting.Run(team, logits.View, routing);
        for (int row = 0; row < 301; row++)
        {
            float[] values = logits.Values.Slice(row * 128, 128).ToArray();
            int[] expected = [.. Enumerable.Range(0, 128).OrderByDescending(e => values[e]).Take(4)];
            Assert.Equal(expected, routing.Experts.Slice(row * 4, 4).ToArray());
        }
    }

    [Theory]
    [InlineData(1, 1, 16, 8)]
    [InlineData(13, 2, 19, 7)]
    [InlineData(70, 3, 33, 12)]
    [InlineData(50, 2, 17, 5, 24)]
    [InlineData(3, 1, 17, 5, 128)]
    public void FeedForwardAgreesWithTheOracle(int rows, int topK, int dim, int width, int experts = 5)
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 2 });
        using HostTensor x = HostTensor.Random(rows, dim, 1);
        using HostTensor logits = HostTensor.Random(rows, experts, 2, 3f);
        using HostTensor output = HostTensor.Random(rows, dim, 3);
        using HostTensor gateUp = HostTensor.Random(experts * 2 * width, dim, 4);
        using HostTensor down = HostTensor.Random(experts * dim, width, 5);
        float[] before = output.Values.ToArray();
        ExpertWeights[] weights = [.. Enumerable.Range(0, experts).Select(e => new ExpertWeights(
            backend.Pack([MatrixSource.RowMajor(gateUp.View.Slice(e * 2 * width, 2 * width).Address, ElementType.F32, 2 * width, dim)]),
            backend.Pack([MatrixSource.RowMajor(down.View.Slice(e * dim, dim).Address, ElementType.F32, dim, width)])))];
        using Routing routing = backend.CreateRouting(rows, experts, topK);
        backend.RouteTopK(logits.View, routing);
        backend.ExpertFeedForward(x.View, routing, weights, output.View);
        double[] expected = Array.ConvertAll(before, v => (double)v);
        for (int slot = 0; slot < rows * topK; slot++)
        {
            int e = routing.Experts[slot];
            int row = slot / topK;
            double[] hidden = new double[width];
            for (int f = 0; f < width; f++)
            {
                double gate = 0;
                double up = 0;
                for (int c = 0; c < dim; c++)
                {
                    double input = (double)routing.Scores[slot] * x.Values[row * dim + c];
                    gate += input * gateUp.Values[(e * 2 * width + f) * dim + c];
                    up += input * gateUp.Values[(e * 2 * width + width + f) * dim + c];
                }
                hidden[f] = ActivationOracle.Silu(gate) * up;
            }
            for (int c = 0; c < dim; c++)
            {
                for (int f = 0; f < width; f++)
                {
                    expected[row * dim + c] += hidden[f] * down.Values[(e * dim + c) * width + f];
                }
            }
        }
        Closeness.Check(expected, output.Values, 2e-6);
        foreach (ExpertWeights expert in weights)
        {
            expert.GateUp.Dispose();
            expert.Down.Dispose();
        }
    }

    [Fact]
    public void WrongCallsAreRefused()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var x = new HostTensor(2, 8);
        using var logits = new HostTensor(2, 3);
        using Routing routing = backend.CreateRouting(1, 3, 1);
        Assert.Throws<ArgumentException>(() => backend.RouteTopK(logits.View, routing));
        Assert.Throws<ArgumentException>(() => backend.RouteTopK(x.View, routing));
        Assert.Throws<ArgumentException>(() => backend.ExpertFeedForward(x.View, routing, [], x.View));
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.CreateRouting(1, 3, 4));
    }
}
