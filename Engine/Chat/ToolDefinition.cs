using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>A tool that the model may call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does, in a sentence.</param>
/// <param name="Parameters">JSON schema of the arguments, an object.</param>
public sealed record ToolDefinition(string Name, string Description, JsonNode Parameters);
