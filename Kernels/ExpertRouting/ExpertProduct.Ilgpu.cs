using ILGPU;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Products of rows in expert order with their experts' weights, which are stacked in one view w [E, outputs, inner]: which
/// expert has which rows is read on the device, so that the launch is the same for every routing.
/// </summary>
public static class ExpertProductIlgpu
{
    /// <summary>
    /// Group (tile of outputs, tile of rows, expert) as in <see cref="MatMulIlgpu.TiledF32"/>, over the rows starts[expert] …
    /// starts[expert + 1] of x and y: the grid is as large as all rows need, groups beyond the expert's rows end at once.
    /// </summary>
    public static void TiledF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<float, F32Decoder>(w, scales), starts, y, outputs, inner, sets);

    /// <summary>As <see cref="TiledF32"/> for bf16 bits.</summary>
    public static void TiledBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<ushort, Bf16Decoder>(w, scales), starts, y, outputs, inner, sets);

    /// <summary>As <see cref="TiledF32"/> for FP8 codes.</summary>
    public static void TiledFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<byte, Fp8Decoder>(w, scales), starts, y, outputs, inner, sets);

    /// <summary>As <see cref="TiledF32"/> for int4 codes.</summary>
    public static void TiledInt4(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<float, F32Decoder>(x, ArrayView<float>.Empty), new StoredRows<byte, Int4Decoder>(w, scales), starts, y, outputs, inner, sets);

    /// <summary>As <see cref="TiledFp8"/> for x in FP8 codes with a scale a row.</summary>
    public static void TiledFp8Activations(ArrayView<byte> x, ArrayView<float> xScales, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner, int sets) =>
        Tiled(new StoredRows<byte, Fp8Decoder>(x, xScales), new StoredRows<byte, Fp8Decoder>(w, scales), starts, y, outputs, inner, sets);

    /// <summary>Group (output, row): a dot product with the weights of expert rowExperts[row]; for few rows.</summary>
    public static void VectorF32(ArrayView<float> x, ArrayView<float> w, ArrayView<float> scales, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner) =>
        Vector<float, F32Decoder, float, F32Decoder>(x, ArrayView<float>.Empty, w, scales, rowExperts, y, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for bf16 bits.</summary>
    public static void VectorBf16(ArrayView<float> x, ArrayView<ushort> w, ArrayView<float> scales, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner) =>
        Vector<float, F32Decoder, ushort, Bf16Decoder>(x, ArrayView<float>.Empty, w, scales, rowExperts, y, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for FP8 codes.</summary>
    public static void VectorFp8(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner) =>
        Vector<float, F32Decoder, byte, Fp8Decoder>(x, ArrayView<float>.Empty, w, scales, rowExperts, y, outputs, inner);

    /// <summary>As <see cref="VectorF32"/> for int4 codes.</summary>
    public static void VectorInt4(ArrayView<float> x, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner) =>
        Vector<float, F32Decoder, byte, Int4Decoder>(x, ArrayView<float>.Empty, w, scales, rowExperts, y, outputs, inner);

    /// <summary>As <see cref="VectorFp8"/> for x in FP8 codes with a scale a row.</summary>
    public static void VectorFp8Activations(ArrayView<byte> x, ArrayView<float> xScales, ArrayView<byte> w, ArrayView<float> scales, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner) =>
        Vector<byte, Fp8Decoder, byte, Fp8Decoder>(x, xScales, w, scales, rowExperts, y, outputs, inner);

    private static void Tiled<TX, TW>(TX x, TW w, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner, int sets)
        where TX : struct, ITileRows
        where TW : struct, ITileRows
    {
        int expert = Grid.IdxZ;
        MatMulIlgpu.Tiled(x, w, ArrayView<float>.Empty, y, starts[expert], starts[expert + 1], (long)expert * outputs, outputs, inner, sets);
    }

    private static void Vector<TX, TXDecoder, TW, TWDecoder>(ArrayView<TX> x, ArrayView<float> xScales, ArrayView<TW> w, ArrayView<float> scales, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner)
        where TX : unmanaged
        where TXDecoder : struct, IDecoder<TX>
        where TW : unmanaged
        where TWDecoder : struct, IDecoder<TW>
    {
        int row = Grid.IdxY;
        int output = Grid.IdxX;
        MatMulIlgpu.Dot<TX, TXDecoder, TW, TWDecoder>(x, xScales, w, scales, ArrayView<float>.Empty, y, row, 1, (long)rowExperts[row] * outputs + output, output, outputs, inner);
    }
}
