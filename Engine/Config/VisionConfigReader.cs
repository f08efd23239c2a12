namespace Llama4Kernels.Engine.Config;

/// <summary>Reads the vision tower's part of a config.json.</summary>
internal static class VisionConfigReader
{
    private const int MaxWidth = 1 << 17;

    public static VisionConfig Read(JsonFields fields)
    {
        if (fields.Text("hidden_act") is { } activation && activation != "gelu")
        {
            throw fields.Fault("hidden_act", $"'{activation}' is not supported; 'gelu' is.");
        }
        // The library's defaults for these sizes are not the released models' values, so nothing is assumed.
        VisionConfig vision = new()
        {
            HiddenSize = fields.Int("hidden_size", 1, MaxWidth),
            Layers = fields.Int("num_hidden_layers", 1, 4096),
            Heads = fields.Int("num_attention_heads", 1, MaxWidth),
            IntermediateSize = fields.Int("intermediate_size", 1, MaxWidth),
            ImageSize = fields.Int("image_size", 1, 8192),
            PatchSize = fields.Int("patch_size", 1, 1024),
            Channels = fields.Int("num_channels", 1, 16),
            NormEps = (float)fields.Number("norm_eps", 0, 1, 1e-5),
            PixelShuffleRatio = fields.Number("pixel_shuffle_ratio", 0, 1),
            ProjectorInputDim = fields.Int("projector_input_dim", 1, MaxWidth),
            ProjectorOutputDim = fields.Int("projector_output_dim", 1, MaxWidth),
            OutputDim = fields.Int("vision_output_dim", 1, MaxWidth),
            RopeTheta = RopeReader.Read(fields, 10000, scales: false).Theta,
        };
        Check(fields, vision);
        return vision;
    }

    private static void Check(JsonFields fields, VisionConfig vision)
    {
        if (vision.PixelShuffleRatio != 0.5)
        {
            throw fields.Fault("pixel_shuffle_ratio", $"{vision.PixelShuffleRatio} is not supported; 0.5 is.");
        }
        if (vision.HiddenSize % (4L * vision.Heads) != 0)
        {
            throw fields.Fault("num_attention_heads", $"{vision.Heads} heads do not split hidden_size {vision.HiddenSize} into multiples of 4.");
        }
        if (vision.ImageSize % (2 * vision.PatchSize) != 0)
        {
            throw fields.Fault("patch_size", $"{vision.PatchSize} does not divide image_size {vision.ImageSize} an even number of times.");
        }
        if (vision.IntermediateSize != 4 * vision.HiddenSize)
        {
            throw fields.Fault("intermediate_size", $"{vision.IntermediateSize} must be 4 · hidden_size = {4 * vision.HiddenSize}, the width after the pixel shuffle.");
        }
        if (vision.ProjectorInputDim != vision.ProjectorOutputDim)
        {
            throw fields.Fault("projector_input_dim", $"{vision.ProjectorInputDim} differs from projector_output_dim {vision.ProjectorOutputDim}.");
        }
        if (vision.OutputDim != vision.ProjectorOutputDim)
        {
            throw fields.Fault("vision_output_dim", $"{vision.OutputDim} differs from projector_output_dim {vision.ProjectorOutputDim}.");
        }
    }
}
