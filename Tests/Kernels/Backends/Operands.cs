using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>Operands of small calls of a backend's operations, all right but for one tensor that may be spoiled.</summary>
internal sealed class Operands : IDisposable
{
    public static readonly AttentionShape Shape = new(2, 1, 8);

    private readonly List<IDisposable> _owned = [];
    private readonly float[] _numbers = GC.AllocateArray<float>(64 * 32, pinned: true);
    private readonly HashSet<string> _named = [];
    private readonly IBackend _memory;
    private FusedOperands? _fused;
    private string _spoiled = "";
    private Func<Tensor, Tensor> _spoil = tensor => tensor;

    /// <param name="backend">Whose operations are called.</param>
    /// <param name="memory">Whose memory tensors lie in; null for the same.</param>
    public Operands(IBackend backend, IBackend? memory = null)
    {
        Backend = backend;
        _memory = memory ?? backend;
        KvLayout layout = backend.LayoutOf(16, 1, Shape, KvFormat.F32);
        Cache = Own(backend.CreateKvStep(layout, Own(backend.Allocate(layout.BlockBytes)), 0, 1));
        Cache.Set(2, [new KvSegment(0, 2, 0, 0)], [0]);
        Square = Own(backend.Pack([Numbers(32)]));
        Table = Own(backend.CreateEmbedding(Numbers(4)));
        Routing = Own(backend.CreateRouting(2, 2, 1));
        IMatrix[] wide = backend.PackStack(2, _ => ([Numbers(64)], null)), narrow = backend.PackStack(2, _ => ([Numbers(32)], null));
        _owned.AddRange([.. wide, .. narrow]);
        Experts = [new(wide[0], narrow[0]), new(wide[1], narrow[1])];
    }

    public IBackend Backend { get; }

    /// <summary>[32, 32]</summary>
    public IMatrix Square { get; }

    /// <summary>[4, 32]</summary>
    public IEmbedding Table { get; }

    /// <summary>Of two rows among two experts.</summary>
    public Routing Routing { get; }

    public ExpertWeights[] Experts { get; }

    /// <summary>Two rows of one sequence in one layer.</summary>
    public KvStep Cache { get; }

    /// <summary>What operations take that do several others' work.</summary>
    public FusedOperands Fused => _fused ??= Own(new FusedOperands(Backend));

    /// <summary>Names of tensors that were asked for.</summary>
    public IReadOnlySet<string> Named => _named;

    /// <summary>A tensor of zeros, spoiled if it has the name for that.</summary>
    public Tensor this[string name, int rows, int columns]
    {
        get
        {
            _named.Add(name);
            Tensor tensor = Zeros(rows, columns);
            return name == _spoiled ? _spoil(tensor) : tensor;
        }
    }

    /// <summary>From now on a tensor is not what it should be.</summary>
    public void Spoil(string name, Func<Tensor, Tensor> spoil) => (_spoiled, _spoil) = (name, spoil);

    /// <summary>The routing with two rows in it.</summary>
    public Routing Routed()
    {
        Backend.RouteTopK(Zeros(2, 2), Routing);
        return Routing;
    }

    public void Dispose() => _owned.ForEach(item => item.Dispose());

    private Tensor Zeros(int rows, int columns) => Own(_memory.Allocate((long)rows * columns * sizeof(float))).View(rows, columns);

    private StridedMatrix Numbers(int rows) => MatrixSource.RowMajor(Marshal.UnsafeAddrOfPinnedArrayElement(_numbers, 0), ElementType.F32, rows, 32);

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
