using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Tests.Engine.Images;

public sealed class PreprocessorConfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("preprocessor-config").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void ACheckpointStatesItsTiling() =>
        Assert.Equal(new TileOptions(56, 16, false), PreprocessorConfig.Load(GoldenFiles.Path("tiny-scout")));

    [Fact]
    public void WhatIsMissingIsAsReleased()
    {
        Assert.Equal(new TileOptions(336, 16, false), PreprocessorConfig.Load(_folder));
        Assert.Equal(new TileOptions(336, 16, false), Load("{}"));
        Assert.Equal(new TileOptions(336, 4, true), Load("""{"max_patches": 4, "resize_to_max_canvas": true, "size": null}"""));
    }

    [Theory]
    [InlineData("not json", "line 1")]
    [InlineData("[]", null)]
    [InlineData("""{"size": 336}""", "size")]
    [InlineData("""{"size": {"height": 336}}""", "size")]
    [InlineData("""{"size": {"height": 336, "width": 335}}""", "size")]
    [InlineData("""{"size": {"height": 0, "width": 0}}""", "size.height")]
    [InlineData("""{"size": {"height": 99999, "width": 99999}}""", "size.height")]
    [InlineData("""{"max_patches": "16"}""", "max_patches")]
    [InlineData("""{"max_patches": 1e9}""", "max_patches")]
    [InlineData("""{"max_patches": -1}""", "max_patches")]
    [InlineData("""{"resize_to_max_canvas": 1}""", "resize_to_max_canvas")]
    [InlineData("""{"image_mean": [0.48, 0.46, 0.41]}""", "image_mean")]
    [InlineData("""{"image_std": [0.5, 0.5]}""", "image_std")]
    [InlineData("""{"image_std": "0.5"}""", "image_std")]
    [InlineData("""{"resample": 3}""", "resample")]
    [InlineData("""{"rescale_factor": 1}""", "rescale_factor")]
    [InlineData("""{"do_resize": false}""", "do_resize")]
    public void FaultsNameTheField(string json, string? field)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Load(json));
        Assert.Equal(field, error.Field);
        Assert.EndsWith(PreprocessorConfig.FileName, error.File, StringComparison.Ordinal);
    }

    [Fact]
    public void TheMergedFileGoesFirst()
    {
        string merged = Path.Combine(_folder, PreprocessorConfig.MergedFileName);
        File.WriteAllText(merged, """{"image_processor": {"max_patches": 3}, "patch_size": 14}""");
        Assert.Equal(3, Load("""{"max_patches": 4}""").MaxTiles);
        // Older releases have the file too, with the processor's own values only.
        File.WriteAllText(merged, """{"patch_size": 14}""");
        Assert.Equal(4, Load("""{"max_patches": 4}""").MaxTiles);
        File.WriteAllText(merged, """{"image_processor": {"size": 3}}""");
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Load("{}"));
        Assert.Equal((merged, "size"), (error.File, error.Field));
    }

    [Fact]
    public void AnOversizedFileIsNotRead() =>
        Assert.Contains("larger", Assert.Throws<ModelFormatException>(() => Load(new string(' ', 2 << 20))).Reason, StringComparison.Ordinal);

    private TileOptions Load(string json)
    {
        File.WriteAllText(Path.Combine(_folder, PreprocessorConfig.FileName), json);
        return PreprocessorConfig.Load(_folder);
    }
}
