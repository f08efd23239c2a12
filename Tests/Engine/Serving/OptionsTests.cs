using System.Reflection;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Options check themselves where they are set: a host learns of a wrong value by its name, not in the middle of a request.</summary>
public sealed class OptionsTests
{
    private static readonly string[] s_anyNumber = [nameof(GenerationRequest.Priority)];

    /// <summary>Every property of a public record of options that can be wrong, with a value that is.</summary>
    public static TheoryData<string, string> Properties()
    {
        TheoryData<string, string> rows = [];
        foreach (PropertyInfo property in typeof(Llama4Engine).Assembly.GetExportedTypes().Where(IsOptions).SelectMany(type => type.GetProperties()))
        {
            if (property.SetMethod is { IsPublic: true } && Wrong(property) is not None && !s_anyNumber.Contains(property.Name))
            {
                rows.Add(property.DeclaringType!.FullName!, property.Name);
            }
        }
        return rows;
    }

    [Theory]
    [MemberData(nameof(Properties))]
    public void AWrongValueIsRefusedByItsName(string type, string property)
    {
        PropertyInfo set = typeof(Llama4Engine).Assembly.GetType(type)!.GetProperty(property)!;
        object options = set.DeclaringType == typeof(GenerationRequest) ? new GenerationRequest(Prompt.FromIds(1)) : Activator.CreateInstance(set.DeclaringType!)!;
        ArgumentException error = Assert.IsType<ArgumentException>(
            Assert.Throws<TargetInvocationException>(() => set.SetValue(options, Wrong(set))).InnerException, exactMatch: false);
        Assert.Contains(property, error.Message, StringComparison.Ordinal);
    }

    /// <summary>So that the rule above cannot pass because it finds nothing.</summary>
    [Fact]
    public void ManyPropertiesCanBeWrong() => Assert.InRange(Properties().Count, 35, 200);

    [Fact]
    public void AToolIsThereAndDeclaredOnce()
    {
        ToolDefinition tool = new("f", "", new System.Text.Json.Nodes.JsonObject());
        Assert.Throws<ArgumentException>(() => new ConversationOptions { Tools = [tool, null!] });
        Assert.Throws<ArgumentException>(() => new ConversationOptions { Tools = [tool, tool] });
    }

    private static bool IsOptions(Type type) =>
        type.Name.EndsWith("Options", StringComparison.Ordinal) || type.Name.EndsWith("Limits", StringComparison.Ordinal) || type.Name.EndsWith("Request", StringComparison.Ordinal);

    private static object? Wrong(PropertyInfo property)
    {
        Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        return type switch
        {
            { IsEnum: true } => Enum.ToObject(type, 77),
            _ when type == typeof(int) => int.MinValue,
            _ when type == typeof(long) => long.MinValue,
            _ when type == typeof(float) => float.NaN,
            _ when type == typeof(double) => double.NaN,
            _ when type == typeof(TimeSpan) => TimeSpan.MinValue,
            { IsValueType: false } when new NullabilityInfoContext().Create(property).WriteState == NullabilityState.NotNull => null,
            _ => None.Value,
        };
    }

    /// <summary>There is no wrong value of the type.</summary>
    private sealed class None
    {
        public static None Value { get; } = new();
    }
}
