using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Tells the model which tools there are.</summary>
internal static class ToolPrompt
{
    /// <summary>
    /// The text for a system message: the instruction to answer with calls in Python-list form, then the tools as
    /// JSON on the next line.
    /// </summary>
    /// <param name="tools">The tools, at least one.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentException">There is no tool.</exception>
    public static string Render(IReadOnlyList<ToolDefinition> tools)
    {
        ArgumentNullException.ThrowIfNull(tools);
        if (tools.Count == 0)
        {
            throw new ArgumentException("There is no tool to describe.", nameof(tools));
        }
        JsonArray list = [];
        foreach (ToolDefinition tool in tools)
        {
            list.Add((JsonNode)new JsonObject
            {
                ["name"] = tool.Name,
                ["description"] = tool.Description,
                ["parameters"] = tool.Parameters.DeepClone(),
            });
        }
        return "You can call these functions. Answer with calls only, as [name(parameter=\"value\")].\n"
            + PythonJson.Dumps(list);
    }
}
