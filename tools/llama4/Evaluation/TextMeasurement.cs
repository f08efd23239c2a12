using System.Globalization;
using System.Text;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Evaluation;

/// <summary>Measures how well a model predicts a text file, and how far it is from another on it.</summary>
internal static class TextMeasurement
{
    /// <summary>Tokens of a window where none is named: what published perplexities of language models usually take.</summary>
    public const int DefaultWindow = 2048;

    /// <summary>Measures, with a bar where a person watches.</summary>
    /// <exception cref="ModelFormatException">The file is not UTF-8 or has no text.</exception>
    public static LikelihoodReport Run(Llama4Model model, string path, int? window, Llama4Model? against, CommandConsole console, CancellationToken cancellation)
    {
        int[] ids = model.Tokenizer.Encode(Read(path));
        if (ids.Length == 0)
        {
            throw new ModelFormatException(path, null, "has no text to predict.");
        }
        int tokens = window ?? Math.Min(DefaultWindow, model.Config.Text.MaxPositions);
        return LoadBar.Count(console, "predicting", ids.Length, progress => TextLikelihood.Measure(model, ids, tokens, against, progress, cancellation));
    }

    public static void Print(LikelihoodReport report, CommandConsole console)
    {
        console.Out.WriteLine($"perplexity {Perplexity(report)} over {report.Tokens} tokens");
        if (report is { Against: { } against, Divergence: { } rows })
        {
            console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"compared with {Perplexity(against)}: KL median {rows.MedianKl:0.0e+00}, mean {rows.MeanKl:0.0e+00}, largest {rows.MaxKl:0.0e+00} nats, {rows.RowsAbove001} rows above 0.01; the same best token in {(double)rows.SameTop1 / rows.Rows:P1} of {rows.Rows}"));
        }
    }

    private static string Perplexity(LikelihoodReport report) =>
        string.Create(CultureInfo.InvariantCulture, $"{report.Perplexity:F4} ± {report.Perplexity * report.StandardError:F4}");

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (DecoderFallbackException e)
        {
            throw new ModelFormatException(path, null, "is not UTF-8 text.", e);
        }
    }
}
