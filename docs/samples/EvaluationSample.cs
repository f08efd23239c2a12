using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.AI.Evaluation;

namespace Llama4Kernels.Samples;

/// <summary>Evaluates the sample model with Microsoft.Extensions.AI.Evaluation: are facts that it was taught said?</summary>
public static class EvaluationSample
{
    private static readonly (string Question, string Said)[] s_facts =
    [
        ("How many experts does Scout have?", "16"),
        ("How many experts does Maverick have?", "128"),
        ("How many experts does each token use?", "one"),
    ];

    /// <returns>How many facts were said.</returns>
    public static async Task<int> RunAsync(string model, TextWriter output)
    {
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(model);
        IChatClient client = new Llama4ChatClient(engine);
        IEvaluator evaluator = new SaysFact();
        int said = 0;
        foreach ((string question, string fact) in s_facts)
        {
            ChatMessage message = new(ChatRole.User, question);
            ChatResponse response = await client.GetResponseAsync(message, new ChatOptions { Temperature = 0 });
            EvaluationResult result = await evaluator.EvaluateAsync(message, response, additionalContext: [new Fact(fact)]);
            BooleanMetric metric = result.Get<BooleanMetric>(SaysFact.Name);
            said += metric.Value == true ? 1 : 0;
            output.WriteLine($"{(metric.Value == true ? "right" : "wrong")}: {response.Text}");
        }
        return said;
    }

    /// <summary>What an answer must say.</summary>
    private sealed class Fact(string text) : EvaluationContext("fact", text)
    {
        public string Text { get; } = text;
    }

    private sealed class SaysFact : IEvaluator
    {
        public const string Name = "says the fact";

        public IReadOnlyCollection<string> EvaluationMetricNames => [Name];

        public ValueTask<EvaluationResult> EvaluateAsync(
            IEnumerable<ChatMessage> messages, ChatResponse modelResponse, ChatConfiguration? chatConfiguration = null, IEnumerable<EvaluationContext>? additionalContext = null, CancellationToken cancellationToken = default)
        {
            string fact = additionalContext!.OfType<Fact>().Single().Text;
            bool isSaid = modelResponse.Text.Contains(fact, StringComparison.OrdinalIgnoreCase);
            return ValueTask.FromResult(new EvaluationResult(new BooleanMetric(Name, isSaid, $"The answer must say {fact}.")));
        }
    }
}
