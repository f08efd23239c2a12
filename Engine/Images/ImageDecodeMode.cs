namespace Llama4Kernels.Engine.Images;

/// <summary>How a file's samples become RGB where the careful reading and Meta's published code differ.</summary>
internal enum ImageDecodeMode
{
    /// <summary>
    /// The picture as a viewer shows it: EXIF orientation applied, every kind of transparency composed on white,
    /// 16-bit samples reduced to their high byte.
    /// </summary>
    Full,

    /// <summary>
    /// Meta's code: EXIF orientation ignored, transparency dropped except for RGBA (composed on white), 16-bit grey
    /// clamped to 255.
    /// </summary>
    Reference,
}
