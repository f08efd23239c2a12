using Llama4Kernels.Cli.Ptx;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Cases;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.PtxEmulator.Cases;

/// <summary>What is read from a case, and how a broken one is refused.</summary>
public class PtxCaseTests
{
    public static TheoryData<string> Corpus =>
        [.. Directory.EnumerateFiles(GoldenFiles.Path("ptx"), "*.json").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Corpus))]
    public void EveryCaseOfTheCorpusIsRead(string name)
    {
        PtxCase read = CaseFiles.Read(GoldenFiles.Path("ptx", name + ".json"));
        Assert.Equal((name, name), (read.Name, read.Kernel));
        Assert.NotEmpty(read.Rules);
    }

    [Fact]
    public void ACaseIsRead()
    {
        PtxCase read = new SmallCase().Read();
        Assert.Equal(("small", new CudaDim3(1), new CudaDim3(32), 0, null), (read.Name, read.Grid, read.Block, read.DynamicShared, read.Cluster));
        Assert.Equal(["out.y", "in.x", null], read.Arguments.Select(argument => argument.Tensor));
        Assert.Equal([3, 0, 0, 0], read.Arguments[2].Bytes.ToArray());
        Assert.Equal("init.y", read.Initial(read.Tensor("out.y"))!.Name);
        Assert.Equal("in.x", read.Initial(read.Tensor("in.x"))!.Name);
        Assert.Equal(new CaseRule("out.y", Exact: true), Assert.Single(read.Rules));
    }

    [Theory]
    [InlineData("u8", "200", "c8")]
    [InlineData("s32", "-2", "feffffff")]
    [InlineData("u32", "4294967295", "ffffffff")]
    [InlineData("s64", "-9223372036854775808", "0000000000000080")]
    [InlineData("u64", "18446744073709551615", "ffffffffffffffff")]
    [InlineData("f32", "0.1", "cdcccc3d")]
    [InlineData("f64", "0.1", "9a9999999999b93f")]
    public void ScalarsHaveTheirBits(string type, string value, string bytes)
    {
        string parameter = type == "u8" ? "u8" : type[1..] == "64" ? "b64" : "b32";
        var small = new SmallCase { Ptx = $".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry small(.param .u64 y, .param .{parameter} a)\n{{\nret;\n}}\n" };
        small.Json = small.Json.Replace("""{"type":"ptr","tensor":"in.x"},{"type":"u32","value":3}""", $$"""{"type":"{{type}}","value":{{value}}}""", StringComparison.Ordinal);
        Assert.Equal(bytes, Convert.ToHexStringLower(small.Read().Arguments[1].Bytes.Span));
    }

    [Theory]
    [InlineData("{\"kernel\"", "{\"kernl\"", null, "kernl")]
    [InlineData("\"kernel\":\"small\",", "", null, "'kernel'")]
    [InlineData("\"small\"", "\"large\"", "kernel", "the module has small")]
    [InlineData("\"small\"", "7", "kernel", "string")]
    [InlineData("\"grid\":[1,1,1]", "\"grid\":[1,1]", "grid", "three")]
    [InlineData("\"grid\":[1,1,1]", "\"grid\":[1,0,1]", "grid[1]", "it must be 1 to")]
    [InlineData("\"grid\":[1,1,1]", "\"grid\":[1,1.5,1]", "grid[1]", "integer")]
    [InlineData("\"grid\":[1,1,1]", "\"grid\":[1,70000,1]", "grid[1]", "70000")]
    [InlineData("\"grid\":[1,1,1]", "\"grid\":{}", "grid", "array")]
    [InlineData("\"block\":[32,1,1]", "\"block\":[64,32,1]", "block", "more than 1024")]
    [InlineData("\"grid\":[1,1,1]", "\"grid\":[3,1,1],\"cluster\":[2,1,1]", "grid", "no multiple of the cluster")]
    [InlineData("\"dynamic_shared\":0", "\"dynamic_shared\":-1", "dynamic_shared", "0 to 232448")]
    [InlineData("\"dynamic_shared\":0", "\"dynamic_shared\":\"0\"", "dynamic_shared", "number")]
    [InlineData("\"in.x\"", "\"in.z\"", "args[1].tensor", "no tensor in.z")]
    [InlineData("\"in.x\"", "\"init.y\"", "args[1].tensor", "no buffer")]
    [InlineData(",{\"type\":\"u32\",\"value\":3}", "", "args", "3 parameters, not 2")]
    [InlineData("\"u32\",\"value\":3", "\"u64\",\"value\":3", "args[2]", "parameter factor has 4 bytes, the argument has 8")]
    [InlineData("\"u32\",\"value\":3", "\"u32\",\"value\":-3", "args[2].value", "-3 is no u32")]
    [InlineData("\"u32\",\"value\":3", "\"u8\",\"value\":256", "args[2].value", "256 is no u8")]
    [InlineData("\"u32\",\"value\":3", "\"u32\",\"value\":99999999999999999999", "args[2].value", "64 bits")]
    [InlineData("\"u32\",\"value\":3", "\"u32\",\"hex\":3", "args[2]", "'hex'")]
    [InlineData("\"u32\",\"value\":3", "\"q32\",\"value\":3", "args[2].type", "'q32' is unknown")]
    [InlineData("\"u32\",\"value\":3", "\"bytes\",\"hex\":\"0g\"", "args[2].hex", "hexadecimal")]
    [InlineData("\"u32\",\"value\":3", "\"bytes\",\"hex\":\"0300\"", "args[2]", "the argument has 2")]
    [InlineData("{\"type\":\"ptr\",\"tensor\":\"out.y\"}", "{\"type\":\"ptr\",\"tensor\":\"in.x\"}", "args", "never pass out.y")]
    [InlineData("\"exact\"", "\"close\"", "compare.out.y.mode", "'close' is unknown")]
    [InlineData("\"exact\"", "\"exact\",\"nan\":\"any\"", "compare.out.y.nan", "no NaN")]
    [InlineData("\"exact\"", "\"exact\",\"nan\":\"none\"", "compare.out.y.nan", "'none' is unknown")]
    [InlineData("\"exact\"", "\"exact\",\"tol\":1", "compare.out.y", "'tol'")]
    [InlineData("\"exact\"", "\"rel\",\"tol\":1", "compare.out.y", "lacks 'abs'")]
    [InlineData("\"exact\"", "\"rel\",\"tol\":1,\"abs\":-1", "compare.out.y.abs", "negative")]
    [InlineData("\"out.y\":{\"mode\":\"exact\"}", "", "compare", "no rule for out.y")]
    [InlineData("\"out.y\":{", "\"out.z\":{", "compare.out.z", "no such output")]
    [InlineData("}}}", "}}", null, "JSON")]
    public void AFaultOfTheJsonNamesItsField(string part, string replacement, string? field, string reason)
    {
        var small = new SmallCase();
        Assert.Contains(part, small.Json, StringComparison.Ordinal);
        small.Json = small.Json.Replace(part, replacement, StringComparison.Ordinal);
        AssertFault(small, "small.json", field, reason);
    }

    [Fact]
    public void AFaultOfATensorNamesIt()
    {
        AssertTensorFault("x", SmallCase.Numbers("x", i => i), "must be named");
        AssertTensorFault("in.x", SmallCase.Numbers("in.x", i => i), "twice");
        AssertTensorFault("init.z", SmallCase.Numbers("init.z", i => i), "no out.z");
        AssertTensorFault("in.w", new CaseTensor("in.w", CaseElement.F32, [2, 2], new byte[12]), "12 bytes");

        var otherType = new SmallCase();
        otherType.Tensors[2] = otherType.Tensors[2] with { Element = CaseElement.I32 };
        AssertFault(otherType, "small.safetensors", "init.y", "is I32 [32]; out.y is U32 [32]");
        var otherShape = new SmallCase();
        otherShape.Tensors[2] = otherShape.Tensors[2] with { Shape = [4, 8] };
        AssertFault(otherShape, "small.safetensors", "init.y", "is U32 [4, 8]");

        var unused = new SmallCase();
        unused.Tensors.Add(SmallCase.Numbers("out.z", i => i));
        AssertFault(unused, "small.json", "compare", "no rule for out.z");
    }

    [Fact]
    public void AFaultOfTheModuleNamesItsPlace()
    {
        var syntax = new SmallCase { Ptx = SmallCase.Kernel.Replace("ret;", "ret", StringComparison.Ordinal) };
        AssertFault(syntax, "small.ptx", null, "line ");
        var types = new SmallCase { Ptx = SmallCase.Kernel.Replace("mov.u32 %r2, %tid.x", "mov.u32 %rd2, %tid.x", StringComparison.Ordinal) };
        AssertFault(types, "small.ptx", "line 14, column 13", "mismatch");
        var block = new SmallCase { Ptx = SmallCase.Kernel.Replace("factor)", "factor) .reqntid 64, 1, 1", StringComparison.Ordinal) };
        AssertFault(block, "small.json", "block", "demands (64, 1, 1)");
        var threads = new SmallCase { Ptx = SmallCase.Kernel.Replace("factor)", "factor) .maxntid 16, 1, 1", StringComparison.Ordinal) };
        AssertFault(threads, "small.json", "block", "allows 16");
    }

    [Fact]
    public void AMissingFileIsNamed()
    {
        using var folder = new ScratchFolder();
        string json = folder.Write("small.json", new SmallCase().Json);
        Assert.Contains("small.ptx", Assert.Throws<FileNotFoundException>(() => CaseFiles.Read(json)).Message, StringComparison.Ordinal);
        string ptx = folder.Write("small.ptx", SmallCase.Kernel);
        Assert.Contains("small.safetensors", Assert.Throws<ModelFormatException>(() => CaseFiles.Read(json)).Message, StringComparison.Ordinal);
        Assert.Contains(".json", Assert.Throws<CaseFormatException>(() => CaseFiles.Read(ptx)).Message, StringComparison.Ordinal);
        SafeTensorsWriter.Write(folder.Path("small.safetensors"), [SafeTensorsEntry.FromBytes("in.x", SafeTensorsType.BOOL, [1], new byte[1])]);
        Assert.Equal("in.x", Assert.Throws<CaseFormatException>(() => CaseFiles.Read(json)).Field);
    }

    private static void AssertTensorFault(string field, CaseTensor tensor, string reason)
    {
        var small = new SmallCase();
        small.Tensors.Add(tensor);
        AssertFault(small, "small.safetensors", field, reason);
    }

    private static void AssertFault(SmallCase small, string file, string? field, string reason)
    {
        CaseFormatException fault = Assert.Throws<CaseFormatException>(small.Read);
        Assert.Equal((file, field), (fault.File, fault.Field));
        Assert.StartsWith(file + ": ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }
}
