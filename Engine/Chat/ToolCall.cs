using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>A call of a tool by the model.</summary>
/// <param name="Name">The tool's name.</param>
/// <param name="Arguments">
/// The arguments: an object by parameter name, in the order written. A model that answers in JSON can also give
/// another value; it is passed on as it is.
/// </param>
public sealed record ToolCall(string Name, JsonNode Arguments);
