using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Server;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>health</c>: asks a server how it is, for those who watch over it where there is no other client (in a container).</summary>
internal static class HealthCommand
{
    public static Command Create(CommandConsole console)
    {
        var url = new Option<string>("--url") { Description = "The server's address.", DefaultValueFactory = _ => "http://127.0.0.1:8080" };
        var ready = new Option<bool>("--ready") { Description = "Asks whether requests would be served, not only whether the process answers. A server with keys wants one for that." };
        var keys = new Option<string?>("--api-key-file") { Description = "The server's file of keys; the first one is given." };
        var seconds = new Option<double>("--timeout-seconds") { Description = "Longest time to wait.", CustomParser = Numbers.Read<double>, DefaultValueFactory = _ => 5 };
        var command = new Command("health", "Asks a server how it is; ends with 0 if it is well and with 1 if not.") { url, ready, keys, seconds };
        command.SetAction(async (parsed, cancellation) =>
        {
            Uri address = AddressOf(parsed.GetRequiredValue(url), parsed.GetValue(ready));
            double longest = parsed.GetValue(seconds);
            if (longest is not (> 0 and <= 3600))
            {
                throw new ArgumentException(FormattableString.Invariant($"--timeout-seconds: {longest} is not above 0 and up to 3600."));
            }
            using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(longest) };
            if (parsed.GetValue(keys) is string file)
            {
                client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", ApiKeys.Lines(file).FirstOrDefault() ?? throw new ArgumentException($"{file}: There is no API key."));
            }
            string? wrong = await AskAsync(client, address, cancellation).ConfigureAwait(false);
            if (wrong is null)
            {
                return 0;
            }
            console.Error.WriteLine($"llama4: {address}: {wrong}");
            return CommandLine.Differs;
        });
        return command;
    }

    private static Uri AddressOf(string url, bool ready) =>
        Uri.TryCreate(url, UriKind.Absolute, out Uri? address) && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)
            ? new Uri(new Uri(address.AbsoluteUri.TrimEnd('/') + "/"), ready ? "health/ready" : "health/live")
            : throw new ArgumentException($"--url: '{url}' is not an address that begins with http:// or https://.");

    /// <summary>What is wrong; null for nothing.</summary>
    private static async Task<string?> AskAsync(HttpClient client, Uri address, CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage response = await client.GetAsync(address, cancellation).ConfigureAwait(false);
            return response.IsSuccessStatusCode ? null : MessageOf(await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false)) ?? $"status {(int)response.StatusCode}.";
        }
        catch (HttpRequestException e)
        {
            return e.Message;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"no answer within {client.Timeout.TotalSeconds:0.###} s.";
        }
    }

    // A server's own words; what another program answers at this address is none of ours.
    private static string? MessageOf(string body)
    {
        try
        {
            return JsonNode.Parse(body) is JsonObject answer && answer["error"] is JsonObject error && error["message"] is JsonValue value && value.TryGetValue(out string? message) ? message : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
