using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Cases;

/// <summary>The operations that make a case's inputs, as the README of the cases lists them.</summary>
internal sealed class CasePreparation : IDisposable
{
    private readonly List<(string Path, Process Reader)> _pipes = [];

    /// <summary>Bytes that came through each named pipe; stops reading.</summary>
    public long Piped(string path)
    {
        Process reader = _pipes.Find(pipe => pipe.Path == path).Reader;
        return long.Parse(reader.StandardOutput.ReadToEnd().Trim(), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Carries out one operation, its placeholders filled in.</summary>
    public void Run(JsonObject op)
    {
        string Text(string name) => op[name]!.GetValue<string>();
        switch (Text("op"))
        {
            case "copy":
                Copy(Text("from"), Text("to"), [.. op["except"]?.AsArray().Select(name => name!.GetValue<string>()) ?? []]);
                break;
            case "folder":
                Directory.CreateDirectory(Text("at"));
                break;
            case "delete":
                File.Delete(Text("at"));
                break;
            case "write":
                MakeFolder(Text("to"));
                File.WriteAllText(Text("to"), Text("text"));
                break;
            case "link":
                MakeFolder(Text("at"));
                File.CreateSymbolicLink(Text("at"), Text("to"));
                break;
            case "device":
                MakeDevice(Text("at"));
                break;
            case "pipe":
                MakeFolder(Text("at"));
                Shell("mkfifo", Text("at"));
                _pipes.Add((Text("at"), Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "wc -c < \"$1\"", "sh", Text("at")]) { RedirectStandardOutput = true })!));
                break;
            case "json":
                JsonEdits.Apply(Text("file"), op);
                break;
            case "prepend":
                File.WriteAllBytes(Text("file"), [.. Convert.FromHexString(Text("hex")), .. File.ReadAllBytes(Text("file"))]);
                break;
            case "crlf":
                File.WriteAllText(Text("file"), File.ReadAllText(Text("file")).Replace("\n", "\r\n", StringComparison.Ordinal));
                break;
            case "tensors":
                TensorEdits.Apply(Text("file"), op);
                break;
            case "rows":
                HashSet<string> keep = [.. op["keep"]!.AsArray().Select(name => name!.GetValue<string>())];
                File.WriteAllLines(Text("to"), File.ReadLines(Text("from")).Select(line =>
                    new JsonObject(JsonNode.Parse(line)!.AsObject().Where(field => keep.Contains(field.Key)).Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone()))).ToJsonString()));
                break;
            default:
                throw new InvalidOperationException($"The operation {op["op"]} is unknown.");
        }
    }

    public void Dispose()
    {
        foreach ((_, Process reader) in _pipes)
        {
            if (!reader.HasExited)
            {
                reader.Kill();
            }
            reader.Dispose();
        }
    }

    private static void MakeFolder(string file) => Directory.CreateDirectory(Path.GetDirectoryName(file)!);

    private static void Copy(string from, string to, string[] except)
    {
        if (!Directory.Exists(from))
        {
            MakeFolder(to);
            File.Copy(from, to, overwrite: true);
            return;
        }
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from).Where(file => !except.Contains(Path.GetFileName(file))))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
        }
    }

    private static void MakeDevice(string path)
    {
        try
        {
            Shell("mknod", "-m", "666", path, "c", "1", "3");
            File.AppendAllText(path, "x");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Skip("Devices cannot be made or used here.");
        }
    }

    private static void Shell(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new IOException($"{program} failed.");
        }
    }
}
