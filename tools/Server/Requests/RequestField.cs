using System.Text.Json;

namespace Llama4Kernels.Server.Requests;

/// <summary>A value that is the only one a field may have, for fields of what this server does not do.</summary>
/// <param name="Allows">Whether a value asks for nothing that there is not.</param>
/// <param name="Reason">What another value is told.</param>
internal sealed record OnlyValue(Func<JsonElement, bool> Allows, string Reason);

/// <summary>A field of a request.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Only">What it may be, where it can be no other; null where its reader decides.</param>
internal sealed record RequestField(string Name, OnlyValue? Only = null)
{
    public static implicit operator RequestField(string name) => new(name);

    /// <summary>A field that may be there but ask for nothing.</summary>
    public static RequestField Never(string name, string reason) => new(name, new OnlyValue(_ => false, reason));

    /// <summary>A field that may have one of some texts.</summary>
    public static RequestField Texts(string name, string reason, params string[] texts) =>
        new(name, new OnlyValue(value => value.ValueKind == JsonValueKind.String && texts.Contains(value.GetString()), reason));

    /// <summary>A field that may be false.</summary>
    public static RequestField False(string name, string reason) => new(name, new OnlyValue(value => value.ValueKind == JsonValueKind.False, reason));

    /// <summary>A list that may be empty.</summary>
    public static RequestField Empty(string name, string reason) =>
        new(name, new OnlyValue(value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0, reason));
}
