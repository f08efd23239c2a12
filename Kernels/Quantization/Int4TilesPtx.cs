using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What kernels do with <see cref="Int4Tiles"/>.</summary>
internal static class Int4TilesPtx
{
    /// <summary>A word's eight codes as 24 + code in bfloat16: 3 moves and 4 masks.</summary>
    /// <param name="k">Writes the kernel.</param>
    /// <param name="word">Eight codes.</param>
    /// <param name="shift">Overwritten; its last register is not used.</param>
    /// <param name="fragment">The lane's part of a [16, 16].</param>
    public static void Decode(KernelWriter k, Reg<U32> word, Vec4<U32> shift, Vec4<Bf16x2> fragment)
    {
        k.ShiftRight(shift.X, word, 4);
        k.ShiftRight(shift.Y, word, 8);
        // The last nibble of the word lies across its ends.
        k.RotateRight(shift.Z, word, 12);
        k.MaskAndFlip(fragment.X, word, Int4Tiles.Mask, Int4Tiles.Flip);
        k.MaskAndFlip(fragment.Y, shift.X, Int4Tiles.Mask, Int4Tiles.Flip);
        k.MaskAndFlip(fragment.Z, shift.Y, Int4Tiles.Mask, Int4Tiles.Flip);
        k.MaskAndFlip(fragment.W, shift.Z, Int4Tiles.Mask, Int4Tiles.Flip);
    }
}
