using Llama4Kernels.Engine.Diagnostics;

namespace Llama4Kernels.Cli.Evaluation;

/// <summary>What <c>eval --json</c> prints.</summary>
/// <param name="Questions">The questions; null if none were asked.</param>
/// <param name="Text">The text; null if none was given.</param>
internal sealed record EvaluationReport(QuestionCounts? Questions, LikelihoodReport? Text);

/// <summary>Answers of a list of questions.</summary>
/// <param name="Asked">Questions asked.</param>
/// <param name="Right">Answers that are the expected ones.</param>
/// <param name="Different">Answers that differ from the reference where it is no near tie.</param>
internal sealed record QuestionCounts(int Asked, int Right, int Different);
