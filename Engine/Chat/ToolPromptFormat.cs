namespace Llama4Kernels.Engine.Chat;

/// <summary>How the tool calls of past assistant messages are written.</summary>
internal enum ToolPromptFormat
{
    /// <summary><c>{"type": "function", "name": "f", "parameters": {"x": 1}}</c>.</summary>
    Json,

    /// <summary><c>&lt;function=f&gt;{"x": 1}&lt;/function&gt;</c>.</summary>
    FunctionTag,

    /// <summary><c>[f(x=1)]</c>, a list for each call; strings are not escaped.</summary>
    PythonList,
}
