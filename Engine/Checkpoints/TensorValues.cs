using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>Reads and compares values of tensors.</summary>
internal static class TensorValues
{
    /// <summary>A copy of a small tensor of F32, BF16 or F16 without gaps, as float32.</summary>
    /// <exception cref="ModelFormatException">It has more elements than an array holds, or its file was truncated.</exception>
    public static float[] Read(ITensorSource source, StoredTensor tensor)
    {
        if (tensor.Elements > Array.MaxLength)
        {
            throw new ModelFormatException(tensor.File, tensor.Name, $"has {tensor.Elements} elements, more than one array holds.");
        }
        float[] values = new float[tensor.Elements];
        if (values.Length > 0)
        {
            MatrixSource.RowMajor(source.Address(tensor), tensor.Type.Element!.Value, 1, values.Length).ReadRow(0, values);
        }
        return values;
    }

    /// <summary>Whether two matrices have the same size and the same values, whatever their types. An embedding has gigabytes: row by row.</summary>
    public static bool Equal(MatrixSource first, MatrixSource second)
    {
        if ((first.Rows, first.Columns) != (second.Rows, second.Columns))
        {
            return false;
        }
        float[] a = new float[first.Columns], b = new float[first.Columns];
        for (int row = 0; row < first.Rows; row++)
        {
            first.ReadRow(row, a);
            second.ReadRow(row, b);
            if (!a.AsSpan().SequenceEqual(b))
            {
                return false;
            }
        }
        return true;
    }
}
