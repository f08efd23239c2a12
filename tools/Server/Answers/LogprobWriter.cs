using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Server.Answers;

/// <summary>Writes log-probabilities of tokens as chats have them.</summary>
internal static class LogprobWriter
{
    /// <summary>What stands for −∞, which JSON has no number for; as OpenAI has it.</summary>
    private const double Impossible = -9999;

    /// <summary>A token with its alternatives.</summary>
    public static void Write(Utf8JsonWriter json, Llama4Tokenizer tokenizer, GenerationUpdate token)
    {
        json.WriteStartObject();
        WriteToken(json, tokenizer, token.TokenId!.Value, token.Logprob!.Value);
        json.WriteStartArray("top_logprobs"u8);
        foreach ((int id, double logprob) in token.TopLogprobs)
        {
            json.WriteStartObject();
            WriteToken(json, tokenizer, id, logprob);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>ln P as JSON can have it.</summary>
    public static double Finite(double logprob) => double.IsFinite(logprob) ? logprob : Impossible;

    /// <summary>A token's text; bytes that are no whole characters are shown as replacement characters.</summary>
    public static string TextOf(Llama4Tokenizer tokenizer, int id) => Encoding.UTF8.GetString(BytesOf(tokenizer, id));

    private static void WriteToken(Utf8JsonWriter json, Llama4Tokenizer tokenizer, int id, double logprob)
    {
        json.WriteString("token"u8, TextOf(tokenizer, id));
        json.WriteNumber("logprob"u8, Finite(logprob));
        json.WriteStartArray("bytes"u8);
        foreach (byte b in BytesOf(tokenizer, id))
        {
            json.WriteNumberValue(b);
        }
        json.WriteEndArray();
    }

    // An embedding may have rows beyond the tokenizer's ids.
    private static ReadOnlySpan<byte> BytesOf(Llama4Tokenizer tokenizer, int id) => id < tokenizer.VocabularySize ? tokenizer.BytesOf(id) : [];
}
