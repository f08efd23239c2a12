using System.Text.Json.Nodes;
using Llama4Kernels.Server.Requests;
using Llama4Kernels.Server.Telemetry;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>The document says what the server takes, no more and no less.</summary>
[Collection(SampleServer.Name)]
public sealed class OpenApiTests(SampleServer sample)
{
    [Fact]
    public async Task ItHasTheAddressesThatThereAre()
    {
        JsonNode document = (await sample.Client.GetAsync("openapi.json")).Ok().Json;
        IEnumerable<string> documented = document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject().Select(method => $"{method.Key.ToUpperInvariant()} {path.Key}"));
        IEnumerable<string> served = sample.Client.Server.Routes.SelectMany(route => route.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(method => $"{method} {route.RoutePattern.RawText}"));
        Assert.Equal(served.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
        Assert.Equal("[]", document["paths"]!["/health/live"]!["get"]!["security"]!.ToJsonString());
    }

    [Theory]
    [InlineData("ChatCompletionRequest", nameof(RequestFields.Chat))]
    [InlineData("CompletionRequest", nameof(RequestFields.Completion))]
    [InlineData("ResponseRequest", nameof(RequestFields.Response))]
    [InlineData("TokenizeRequest", nameof(RequestFields.Tokenize))]
    [InlineData("DetokenizeRequest", nameof(RequestFields.Detokenize))]
    [InlineData("StreamOptions", nameof(RequestFields.StreamOptions))]
    public async Task ItHasTheFieldsThatAreTaken(string schema, string fields)
    {
        JsonNode document = (await sample.Client.GetAsync("openapi.json")).Ok().Json;
        var taken = (IReadOnlyList<RequestField>)typeof(RequestFields).GetProperty(fields)!.GetValue(null)!;
        Assert.Equal(
            taken.Select(field => field.Name).Order(StringComparer.Ordinal),
            document["components"]!["schemas"]![schema]!["properties"]!.AsObject().Select(property => property.Key).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(true, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317")]
    [InlineData(true, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4317")]
    [InlineData(false, "OTEL_EXPORTER_OTLP_ENDPOINT=")]
    [InlineData(false, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317", "OTEL_SDK_DISABLED=true")]
    [InlineData(false, "OTEL_SERVICE_NAME=x")]
    public void SpansAreSentWhereTheEnvironmentSays(bool sent, params string[] environment)
    {
        Dictionary<string, string> variables = environment.Select(one => one.Split('=', 2)).ToDictionary(one => one[0], one => one[1]);
        var services = new ServiceCollection();
        Assert.Equal(sent, Exporter.Add(services, variables.GetValueOrDefault));
        Assert.Equal(sent, services.Count > 0);
    }
}
