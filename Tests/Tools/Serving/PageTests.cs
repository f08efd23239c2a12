using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Server;
using Llama4Kernels.Server.Page;
using Llama4Kernels.Tests.Repository;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>The page of the server: its files and their headers, and, in a browser, what it does.</summary>
[Collection(SampleServer.Name)]
public sealed partial class PageTests(SampleServer sample)
{
    private const string Folder = "tools/Server/wwwroot/";
    private const string Key = "a-key-of-the-page-tests";

    // What the browser's script says of what is missing.
    private const int Missing = 77;

    private static IEnumerable<string> Sources => RepositoryFiles.All.Where(path => path.StartsWith(Folder, StringComparison.Ordinal));

    [Fact]
    public async Task FilesNeedNoKeyAndTheApiDoes()
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { ApiKeys = new ApiKeys([Key]) });
        Assert.Equal(Sources.Select(path => path[Folder.Length..]).Order(), PageFiles.Paths.Select(path => path == "/" ? "index.html" : path[1..]).Order());
        foreach (string path in PageFiles.Paths)
        {
            using HttpResponseMessage response = await client.Http.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(RepositoryFiles.Read(Folder + (path == "/" ? "index.html" : path[1..])), await response.Content.ReadAsStringAsync());
        }
        (await client.GetAsync("v1/models")).Fails(401, "invalid_api_key");
        (await client.GetAsync("index.html")).Fails(401, "invalid_api_key");
        (await client.GetAsync("nothing.js", Key)).Fails(404, "not_found");
        (await client.PostAsync("main.js", "{}", Key)).Fails(404, "not_found");
        (await client.PostAsync("", "{}", Key)).Fails(404, "not_found");
    }

    [Fact]
    public async Task BrowsersAreHeldToThisServersFiles()
    {
        foreach (string path in PageFiles.Paths)
        {
            using HttpResponseMessage response = await sample.Client.Http.GetAsync(path);
            string Header(string name) => string.Join(", ", response.Headers.GetValues(name));
            string policy = Header("Content-Security-Policy");
            Assert.StartsWith("default-src 'none'; ", policy, StringComparison.Ordinal);
            Assert.DoesNotMatch("unsafe|http|\\*", policy);
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.Equal("nosniff", Header("X-Content-Type-Options"));
            Assert.Equal("DENY", Header("X-Frame-Options"));
            Assert.Equal("no-referrer", Header("Referrer-Policy"));
            Assert.Equal("same-origin", Header("Cross-Origin-Opener-Policy"));
            Assert.Equal("same-origin", Header("Cross-Origin-Resource-Policy"));
        }
    }

    [Theory]
    [InlineData("", "text/html")]
    [InlineData("main.js", "text/javascript")]
    [InlineData("page.css", "text/css")]
    [InlineData("icon.svg", "image/svg+xml")]
    public async Task ABrowserThatHasAFileIsToldSo(string path, string type)
    {
        using HttpResponseMessage first = await sample.Client.Http.GetAsync(path);
        Assert.Equal(type, first.Content.Headers.ContentType!.MediaType);
        string tag = first.Headers.ETag!.Tag;
        foreach ((string known, HttpStatusCode status) in ((string, HttpStatusCode)[])[(tag, HttpStatusCode.NotModified), ($"\"x\", {tag}", HttpStatusCode.NotModified), ("\"x\"", HttpStatusCode.OK)])
        {
            using var again = new HttpRequestMessage(HttpMethod.Get, path);
            again.Headers.TryAddWithoutValidation("If-None-Match", known);
            using HttpResponseMessage response = await sample.Client.Http.SendAsync(again);
            Assert.Equal(status, response.StatusCode);
        }
        using var head = new HttpRequestMessage(HttpMethod.Head, path);
        using HttpResponseMessage headers = await sample.Client.Http.SendAsync(head);
        Assert.Equal(HttpStatusCode.OK, headers.StatusCode);
        Assert.Equal(first.Content.Headers.ContentLength, headers.Content.Headers.ContentLength);
        Assert.Empty(await headers.Content.ReadAsByteArrayAsync());
    }

    /// <summary>What the policy forbids is not tried either: a browser would only leave it out.</summary>
    [Fact]
    public void NothingIsInlineAndNothingComesFromElsewhere()
    {
        Assert.Contains(Folder + "main.js", Sources);
        foreach (string path in Sources)
        {
            string text = RepositoryFiles.Read(path).Replace("\"http://www.w3.org/2000/svg\"", "", StringComparison.Ordinal).Replace("'http://www.w3.org/2000/svg'", "", StringComparison.Ordinal);
            Match match = Forbidden().Match(text);
            Assert.False(match.Success, $"{path} holds {match.Value}.");
        }
    }

    [Theory]
    [InlineData("<script>run()</script>", true)]
    [InlineData("<p style=\"color: red\">", true)]
    [InlineData("<p onclick=\"run()\">", true)]
    [InlineData("element.innerHTML = text;", true)]
    [InlineData("import x from 'https://example.org/x.js';", true)]
    [InlineData("src=\"//example.org/x.js\"", true)]
    [InlineData("<script src=\"theme.js\"></script>", false)]
    [InlineData("// What it does", false)]
    public void TheRuleSeesThem(string text, bool found) => Assert.Equal(found, Forbidden().IsMatch(text));

    [Fact]
    public async Task TheModelsAddressTellsHowPicturesAreCut()
    {
        Reply reply = (await sample.Client.GetAsync("v1/models")).Ok();
        Assert.Equal("""{"tile":112,"max_tiles":16,"enlarge":false}""", reply.Json["data"]![0]!["pictures"]!.ToJsonString());
    }

    /// <summary>Everything else that the page does, in headless Chromium: Tests/Browser.</summary>
    [Fact]
    public async Task ThePageWorksInABrowser()
    {
        await using ServedClient open = await ServedClient.StartAsync(sample.Engine);
        await using ServedClient locked = await ServedClient.StartAsync(sample.Engine, options => options with { ApiKeys = new ApiKeys([Key]) });
        using var folder = new ScratchFolder();
        string tiles = folder.Path("tiles.json");
        await File.WriteAllBytesAsync(tiles, JsonSerializer.SerializeToUtf8Bytes(Grids()));
        (int code, string output) = await RunAsync(
            "--url", open.Server.Address.ToString(), "--key-url", locked.Server.Address.ToString(), "--key", Key,
            "--pictures", GoldenFiles.Path("nano", "pictures"), "--tiles", tiles);
        Assert.SkipWhen(code == Missing, output.Trim());
        Assert.True(code == 0, output);
        Assert.True(Passed().Count(output) >= 20, output);
    }

    /// <summary>Pictures of many sizes, and the grids that the engine chooses for them.</summary>
    private static IEnumerable<object> Grids()
    {
        var random = new Random(4);
        (int, int)[] odd = [(1, 1), (1, 9000), (9000, 1), (336, 336), (337, 336), (1344, 1344), (1345, 1344), (1344, 1345), (112, 113), (1920, 1080), (1080, 1920), (5712, 4284)];
        (int Width, int Height)[] sizes = [.. odd, .. Enumerable.Range(0, 400).Select(_ => (random.Next(1, 700), random.Next(1, 700))), .. Enumerable.Range(0, 200).Select(_ => (random.Next(1, 6000), random.Next(1, 6000)))];
        foreach ((int tile, int most, bool enlarge) in ((int, int, bool)[])[(336, 16, false), (112, 16, false), (112, 7, true)])
        {
            foreach ((int width, int height) in sizes)
            {
                TileGrid grid = TileCanvas.Choose(width, height, tile, most, enlarge);
                yield return new { width, height, rule = new { tile, max_tiles = most, enlarge }, grid = new { rows = grid.Rows, columns = grid.Columns, width = grid.ResizedWidth, height = grid.ResizedHeight } };
            }
        }
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(GoldenFiles.Repository, "Tests", "Browser", "run.mjs"), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        Process? started;
        try
        {
            started = Process.Start(start);
        }
        catch (Win32Exception)
        {
            return (Missing, "There is no node.");
        }
        using Process process = started!;
        using var bound = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(bound.Token);
            Task<string> errors = process.StandardError.ReadToEndAsync(bound.Token);
            await process.WaitForExitAsync(bound.Token);
            return (process.ExitCode, await output + await errors);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    [GeneratedRegex("""<script(?![^>]*\bsrc=)[^>]*>|\s(?:style|on[a-z]+)=["']|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://|["'(]//""")]
    private static partial Regex Forbidden();

    [GeneratedRegex("^passed ", RegexOptions.Multiline)]
    private static partial Regex Passed();
}
