using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>The reference values beside the test models.</summary>
internal static class References
{
    public static ReferenceFile Open(string model, string name) => ReferenceFile.Open(GoldenFiles.Path(model, "golden", name + ".safetensors"));

    /// <summary>Runs a model on a reference and asserts that all is within the tolerance.</summary>
    /// <param name="model">The model.</param>
    /// <param name="reference">The reference.</param>
    /// <param name="capture">Compare intermediate values too.</param>
    /// <param name="change">What to run differently.</param>
    public static LogitsResult Check(Llama4Model model, ReferenceFile reference, bool capture = true, Func<RunOptions, RunOptions>? change = null)
    {
        Assert.Equal(model.Options.Weights, reference.Weights);
        RunOptions options = reference.Options(model.Config.Text.VocabSize, capture);
        LogitsResult result = ModelRunner.Run(model, reference.Ids, change is null ? options : change(options));
        ReferenceReport report = ReferenceComparison.Judge(model, reference, result);
        Assert.True(report.Passed, report.ToString());
        return result;
    }
}
