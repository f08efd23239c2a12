using System.Text.Json;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Puts texts through constraints, token by token, over the sample model's vocabulary.</summary>
internal static class ConstraintChecks
{
    public static Llama4Tokenizer Tokenizer { get; } = Llama4Tokenizer.Load(GoldenFiles.SampleModel);

    public static ConstraintCompiler Compiler { get; } = new(Tokenizer);

    /// <summary>What a constraint has been compiled to, which all with the same source share.</summary>
    public static Machine MachineOf(ITokenConstraint constraint) => ((Matcher)constraint).Place.Machine;

    /// <summary>Whether a constraint allows the tokens of a text one after another and the end after them.</summary>
    public static bool Accepts(ITokenConstraint constraint, string text) => Accepts(constraint, Tokenizer.Encode(text));

    public static bool Accepts(ITokenConstraint constraint, IEnumerable<int> tokens)
    {
        ITokenConstraint state = constraint.Fork();
        TokenMask mask = new(Tokenizer.VocabularySize);
        foreach (int token in tokens)
        {
            state.Allow(mask);
            if (!mask[token])
            {
                Assert.Throws<InvalidOperationException>(() => state.Accept(token));
                return false;
            }
            state.Accept(token);
        }
        return state.MayEnd;
    }

    /// <summary>As <see cref="Accepts(ITokenConstraint, string)"/>, with the text's bytes as single tokens.</summary>
    public static bool AcceptsBytes(ITokenConstraint constraint, string text) =>
        Accepts(constraint, System.Text.Encoding.UTF8.GetBytes(text).Select(value => ByteTokens[value]));

    /// <summary>Checks documents, separated by bars, of which some are valid and others not.</summary>
    public static void CheckAll(string schema, string valid, string? invalid)
    {
        Assert.All(valid.Split('|'), document => Check(schema, document, true));
        Assert.All(invalid?.Split('|') ?? [], document => Check(schema, document, false));
    }

    /// <summary>Checks documents in the four ways that they can be written: compact and indented, in whole tokens and in bytes.</summary>
    public static void Check(string schema, string document, bool valid)
    {
        using JsonDocument parsedSchema = JsonDocument.Parse(schema);
        using JsonDocument parsed = JsonDocument.Parse(document);
        SchemaWriter writer = new(parsedSchema.RootElement);
        foreach (bool indented in (bool[])[false, true])
        {
            ITokenConstraint constraint = Compiler.JsonSchema(schema, indented);
            string text = writer.Write(parsed.RootElement, indented);
            Assert.True(Accepts(constraint, text) == valid, $"{schema} should {(valid ? "accept" : "refuse")} {text}");
            Assert.True(AcceptsBytes(constraint, text) == valid, $"{schema} should {(valid ? "accept" : "refuse")} {text} in bytes");
        }
    }

    /// <summary>The token that is a single byte.</summary>
    public static int TokenOf(byte value) => ByteTokens[value];

    private static int[] ByteTokens { get; } = FindByteTokens();

    private static int[] FindByteTokens()
    {
        int[] tokens = new int[256];
        for (int id = 0; id < Tokenizer.BaseVocabularySize; id++)
        {
            if (Tokenizer.BytesOf(id) is [byte value])
            {
                tokens[value] = id;
            }
        }
        return tokens;
    }
}
