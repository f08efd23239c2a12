using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Numbers of rows where kernels read them. A step that repeats has its own in one place: its graph serves any number of rows up to
/// those it was recorded with, and does no work for the others.
/// </summary>
internal sealed class RowCounts(CudaQueue queue) : IDisposable
{
    private readonly CudaScratch _place = new(queue);
    private int _rows, _used;
    private bool _isThere;

    /// <summary>Begins a step.</summary>
    /// <param name="rows">Rows of its tensors; 0 if it does not repeat.</param>
    /// <param name="used">Rows that mean something.</param>
    public void BeginStep(int rows, int used) => (_rows, _used, _isThere) = (rows, used, false);

    /// <summary>Ends it.</summary>
    public void EndStep() => _rows = 0;

    /// <summary>The number of rows of a tensor, [1] int32, for launches until the step's end.</summary>
    public DeviceView Of(int rows)
    {
        if (rows != _rows)
        {
            return new DeviceView(queue.Put<int>([rows]), 1);
        }
        nint place = _place.Require(sizeof(int));
        if (!_isThere)
        {
            queue.Upload<int>([_used], place);
            _isThere = true;
        }
        return new DeviceView(place, 1);
    }

    public void Dispose() => _place.Dispose();
}
