namespace Llama4Kernels.Engine.Config;

/// <summary>Sizes and constants of the vision tower and its adapter.</summary>
internal sealed record VisionConfig
{
    /// <summary>Width of the tower.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads; <c>HiddenSize/Heads</c> is a multiple of 4.</summary>
    public required int Heads { get; init; }

    /// <summary>MLP width and input width of the adapter: <c>HiddenSize / PixelShuffleRatio²</c>.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Edge of a tile in pixels.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Edge of a patch in pixels; divides <see cref="ImageSize"/> an even number of times.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Colour channels.</summary>
    public required int Channels { get; init; }

    /// <summary>Epsilon of the layer norms.</summary>
    public required float NormEps { get; init; }

    /// <summary>Always 0.5: two by two patches become one token.</summary>
    public required double PixelShuffleRatio { get; init; }

    /// <summary>Output width of the adapter's first matrix; equals <see cref="ProjectorOutputDim"/>.</summary>
    public required int ProjectorInputDim { get; init; }

    /// <summary>Output width of the adapter.</summary>
    public required int ProjectorOutputDim { get; init; }

    /// <summary>Input width of the projector into the text model; equals <see cref="ProjectorOutputDim"/>.</summary>
    public required int OutputDim { get; init; }

    /// <summary>Base of the two-dimensional rotary frequencies.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>Patches along one edge of a tile.</summary>
    public int Grid => ImageSize / PatchSize;

    /// <summary>Patches of a tile, without the class token.</summary>
    public int Patches => Grid * Grid;

    /// <summary>Text tokens that a tile becomes in the published models: 336 pixels, patches of 14.</summary>
    public const int PublishedTokensPerTile = 144;

    /// <summary>Text tokens that a tile becomes: the pixel shuffle joins four patches.</summary>
    public int TokensPerTile => CountTokens(ImageSize, PatchSize);

    /// <summary>Tokens of a tile of so many pixels: a token for every two by two patches.</summary>
    public static int CountTokens(int tile, int patch) => tile / patch * (tile / patch) / 4;
}
