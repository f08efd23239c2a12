using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Checkpoints;

namespace Llama4Kernels.Tests.Tools;

/// <summary>The command <c>quantize</c>, killed and fed with large tensors, and what its folders say when they are damaged.</summary>
public sealed class QuantizeCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AFolderIsWrittenInspectedAndUsed()
    {
        string saved = _folder.File("saved");
        CliRun run = await CliRun.Of("quantize", GoldenFiles.SampleModel, "--weights", "int4", "--include", "all", "--out", saved);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("of safetensors", run.Out, StringComparison.Ordinal);
        run = await CliRun.Of("inspect", saved, "--verify");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        foreach (string text in (string[])["safetensors, packed, with tokenizer", "int4 panels64/1", "bf16 panels32/1", "files   7, all as SHA256SUMS says"])
        {
            Assert.Contains(text, run.Out, StringComparison.Ordinal);
        }
        Assert.Equal(7, JsonNode.Parse((await CliRun.Of("inspect", saved, "--verify", "--json")).Out)!["verifiedFiles"]!.GetValue<int>());
        string[] ask = ["generate", "Was ist auf dem Bild?", "-t", "0", "-n", "8", "--weights", "int4", "--include", "all"];
        Assert.Equal((await CliRun.Of([.. ask, "-m", GoldenFiles.SampleModel])).Out, (await CliRun.Of([.. ask, "-m", saved])).Out);
        (await CliRun.Of("quantize", GoldenFiles.SampleModel, "--out", saved)).AssertFails("nothing is overwritten");
        (await CliRun.Of("quantize", saved, "--out", _folder.File("again"))).AssertFails("was saved packed already");
        (await CliRun.Of("inspect", GoldenFiles.SampleModel, "--verify")).AssertFails("has none");
        (await CliRun.Of("quantize", GoldenFiles.SampleModel, "--include", "head", "--out", _folder.File("again"))).AssertFails("it needs --weights");
        run = await CliRun.Of("convert", saved, "--out", _folder.File("converted"));
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }

    /// <summary>A folder for operands that are not rounded.</summary>
    [Fact]
    public async Task EightBitsForNumbersAreWrittenAndUsed()
    {
        string saved = _folder.File("saved");
        string[] exact = ["--activations", "float32"];
        CliRun run = await CliRun.Of(["quantize", GoldenFiles.SampleModel, "--weights", "int8", .. exact, "--out", saved]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("q8_0 slabs32/1", (await CliRun.Of("inspect", saved)).Out, StringComparison.Ordinal);
        string[] ask = ["generate", "Was ist auf dem Bild?", "-t", "0", "-n", "8", .. exact];
        CliRun used = await CliRun.Of([.. ask, "-m", saved]);
        Assert.Equal((await CliRun.Of([.. ask, "--weights", "int8", "-m", GoldenFiles.SampleModel])).Out, used.Out);
        Assert.DoesNotContain("again", used.Error, StringComparison.Ordinal);
    }

    /// <summary>Damage of every kind is a typed error that names the file and the field.</summary>
    [Fact]
    public async Task DamagedFoldersAreRefusedWithAReason()
    {
        string saved = _folder.File("saved");
        using (Checkpoint source = Checkpoint.Open(GoldenFiles.SampleModel))
        {
            ModelQuantiser.Save(source, saved, new ModelOptions { Weights = WeightScheme.Int4 }, 2_000_000, null, null, CancellationToken.None);
        }
        string[] shards = [.. Directory.GetFiles(saved, "model-*.safetensors").Order(StringComparer.Ordinal)];
        Assert.True(shards.Length > 2);
        byte[] first = File.ReadAllBytes(shards[0]);

        byte[] flipped = [.. first];
        flipped[^1000] ^= 1;
        await Refuses(flipped, "it was changed or damaged", "inspect", saved, "--verify");
        await Refuses(first[..^64], "the file is truncated", "inspect", saved);
        foreach ((string from, string to, string reason) in new[]
        {
            ("\\\"version\\\":1", "\\\"version\\\":2", "version 2, which this version of the engine does not know"),
            ("\\\"layout\\\":\\\"panels64\\\"", "\\\"layout\\\":\\\"panels65\\\"", "panels65"),
            ("\\\"format\\\":\\\"int4\\\"", "\\\"format\\\":\\\"int3\\\"", "There is no weight format 'int3'"),
            ("\\\"columns\\\":256", "\\\"columns\\\":128", "needs U8 with"),
            ("\\\"rows\\\":512", "\\\"rows\\\":-12", "A matrix cannot be"),
            ("\\\"rows\\\":512", "\\\"rowz\\\":512", "cannot be read"),
        })
        {
            await Refuses(Edited(first, from, to), reason, "inspect", saved);
        }
        File.Delete(shards[1]);
        (await CliRun.Of("generate", "hi", "-m", saved)).AssertFails(Path.GetFileName(shards[1]));
        (await CliRun.Of("inspect", saved, "--verify")).AssertFails(Path.GetFileName(shards[1]));
        Assert.Contains("is missing", Assert.Throws<Llama4Kernels.Engine.ModelFormatException>(() => Manifest.Verify(saved)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(saved, Manifest.FileName), "abc  config.json\n");
        Assert.Contains("line 1", Assert.Throws<Llama4Kernels.Engine.ModelFormatException>(() => Manifest.Verify(saved)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(saved, Manifest.FileName), new string('0', 64) + "  ../config.json\n");
        Assert.Throws<Llama4Kernels.Engine.ModelFormatException>(() => Manifest.Verify(saved));

        async Task Refuses(byte[] bytes, string reason, params string[] command)
        {
            File.WriteAllBytes(shards[0], bytes);
            CliRun run = await CliRun.Of(command);
            Assert.Equal(2, run.ExitCode);
            Assert.Contains(reason, run.Error, StringComparison.Ordinal);
            Assert.Contains(Path.GetFileName(shards[0]), run.Error, StringComparison.Ordinal);
            File.WriteAllBytes(shards[0], first);
        }
    }

    /// <summary>Killed at several moments and started again: the bytes of a run that nothing stopped.</summary>
    [Fact]
    public async Task AProcessThatIsKilledLeavesWhatTheNextGoesOnWith()
    {
        Large(experts: 16);
        string expected = _folder.File("expected"), killed = _folder.File("killed"), partial = killed + ModelQuantiser.PartialSuffix;
        using (Process whole = Quantize(expected))
        {
            await whole.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, whole.ExitCode);
        }
        long size = Directory.GetFiles(expected).Sum(file => new FileInfo(file).Length);
        int kills = 0;
        for (int share = 0; share < 4; share++)
        {
            using Process process = Quantize(killed);
            while (!process.HasExited && Written(partial) <= share * size / 4)
            {
                await Task.Delay(2, TestContext.Current.CancellationToken);
            }
            kills += process.HasExited ? 0 : 1;
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        Assert.True(kills > 1 || Directory.Exists(killed));
        if (!Directory.Exists(killed))
        {
            using Process last = Quantize(killed);
            await last.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, last.ExitCode);
        }
        Assert.Equal(File.ReadAllText(Path.Combine(expected, Manifest.FileName)), File.ReadAllText(Path.Combine(killed, Manifest.FileName)));
        Manifest.Verify(killed);
    }

    /// <summary>A fused tensor of 640 MB and a table of 130 MB pass through a process that never takes as much.</summary>
    [Fact]
    public async Task MemoryStaysBelowABoundWhateverATensorsSize()
    {
        if (!File.Exists("/proc/self/status"))
        {
            Assert.Skip("Only Linux tells how much memory a process took at the most.");
        }
        Large(experts: 80);
        using Process process = Quantize(_folder.File("out"));
        long most = 0;
        while (!process.HasExited)
        {
            most = Math.Max(most, Peak(process.Id));
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
        Assert.Equal(0, process.ExitCode);
        Assert.InRange(most, 30_000_000, 400_000_000);
    }

    /// <summary>A layer of fused experts of 8 MB each, and a vocabulary of 64 MB; zeros that the disk does not hold.</summary>
    private void Large(int experts)
    {
        string config = $$"""
            {"model_type":"llama4_text","hidden_size":1024,"num_hidden_layers":1,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":128,"intermediate_size":2048,
             "intermediate_size_mlp":1024,"vocab_size":65536,"num_local_experts":{{experts}},"num_experts_per_tok":1,"interleave_moe_layer_step":1,"bos_token_id":1,"eos_token_id":2}
            """;
        _folder.Write("config.json", config);
        SafeTensorsEntry[] tensors = [.. ExpectedTensors.For(ModelConfig.Parse(config, "config.json"), "").Select(tensor => new SafeTensorsEntry(tensor.Name, SafeTensorsType.BF16, tensor.Shape, _ => { }))];
        byte[] header = SafeTensorsWriter.BuildHeader(tensors, null);
        using FileStream file = File.Create(_folder.File("model.safetensors"));
        file.Write(header);
        file.SetLength(header.Length + tensors.Sum(tensor => tensor.Bytes));
    }

    private Process Quantize(string folder) => Process.Start(new ProcessStartInfo(
        "dotnet", [Path.Combine(AppContext.BaseDirectory, "llama4.dll"), "quantize", _folder.Path, "--weights", "int4", "--threads", "1", "--out", folder])
    { RedirectStandardOutput = true })!;

    private static long Written(string folder) => Directory.Exists(folder) ? Directory.GetFiles(folder, "model*").Sum(file => File.Exists(file) ? new FileInfo(file).Length : 0) : -1;

    private static long Peak(int process)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : 1024 * long.Parse(line["VmHWM:".Length..^"kB".Length], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0; // It has ended.
        }
    }

    /// <summary>The file with a piece of its header changed; the data stay where they are.</summary>
    private static byte[] Edited(byte[] file, string from, string to)
    {
        string text = Encoding.Latin1.GetString(file);
        int at = text.IndexOf(from, StringComparison.Ordinal);
        Assert.True(at > 0, from);
        Assert.Equal(from.Length, to.Length);
        return Encoding.Latin1.GetBytes(text[..at] + to + text[(at + from.Length)..]);
    }
}
