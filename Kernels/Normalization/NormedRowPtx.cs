using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>
/// What kernels do that normalise a row of float32 which a block's threads hold in registers: weights are asked for before the grid
/// before has ended, all of the row at once after it. Used in the order in which its methods stand.
/// </summary>
internal sealed class NormedRowPtx
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    /// <summary>Columns that one access brings to a thread; a row has a multiple of them.</summary>
    public const int Vector = 4;

    /// <summary>Columns that all threads' first pieces have together.</summary>
    public const int FullColumns = Threads * Vector;

    /// <summary>Pieces of a thread.</summary>
    public const int Pieces = 8;

    /// <summary>Most columns of a row.</summary>
    public const int MostColumns = FullColumns * Pieces;

    /// <summary>Warps of a block.</summary>
    public const int Warps = 8;

    private readonly KernelWriter _k;
    private readonly Reg<U32> _row, _own, _work;
    private readonly Reg<GlobalAddress> _from, _weights;
    private readonly Reg<SharedAddress> _shared, _place;
    private readonly Vec4<F32>[] _factors;
    private readonly Reg<Predicate> _first;
    private readonly Reg<F32> _sum, _other, _eps;

    public NormedRowPtx(KernelWriter k)
    {
        _k = k;
        k.Shared("sums", Warps * sizeof(float), $"[{Warps}] f32: the warps' sums of squares");
        Thread = k.Register<U32>("thread", "thread of the block");
        _row = k.Register<U32>("row", "row");
        Columns = k.Register<U32>("column_count", "columns of a row");
        _own = k.Register<U32>("own", "first of the thread's columns, and again after those of all other threads");
        _work = k.Register<U32>("work", "temporary");
        _from = k.Register<GlobalAddress>("from", "the thread's part of the row");
        _weights = k.Register<GlobalAddress>("weight_pointer", "of the weights");
        _shared = k.Register<SharedAddress>("shared", "the block's sums");
        _place = k.Register<SharedAddress>("place", "the warp's");
        Values = [.. Enumerable.Range(0, Pieces).Select(i => k.Quad<F32>($"x{i}_", "columns of the row"))];
        _factors = [.. Enumerable.Range(0, Pieces).Select(i => k.Quad<F32>($"w{i}_", "their weights"))];
        Inside = [.. Enumerable.Range(0, Pieces).Select(i => k.Register<Predicate>($"inside{i}", "the row has these columns"))];
        _first = k.Register<Predicate>("first", "the warp's first lane");
        _sum = k.Register<F32>("sum", "of squares; then what the row is multiplied by");
        _other = k.Register<F32>("other", "temporary");
        _eps = k.Register<F32>("eps_value", "added to the mean");
    }

    /// <summary>The thread.</summary>
    public Reg<U32> Thread { get; }

    /// <summary>Columns of the row.</summary>
    public Reg<U32> Columns { get; }

    /// <summary>The thread's pieces, four columns from 4 · thread + 1024 · piece on; zero where the row has none.</summary>
    public Vec4<F32>[] Values { get; }

    /// <summary>Whether the row has a piece's columns.</summary>
    public Reg<Predicate>[] Inside { get; }

    /// <summary>Who is who, and where things lie.</summary>
    /// <param name="x">[rows][columns] f32</param>
    /// <param name="weight">[columns] f32</param>
    /// <param name="columns">Columns.</param>
    /// <param name="epsilon">Added to the mean.</param>
    /// <param name="blockRow">Gives the block's row.</param>
    public void Locate(Parameter<GlobalAddress> x, Parameter<GlobalAddress> weight, Parameter<U32> columns, Parameter<F32> epsilon, Action<Reg<U32>> blockRow)
    {
        _k.ThreadIndex(Thread);
        blockRow(_row);
        _k.Load(Columns, columns);
        _k.Load(_eps, epsilon);
        _k.ShiftLeft(_own, Thread, int.Log2(Vector));
        _k.Load(_weights, weight);
        _k.Advance(_weights, _weights, _own, sizeof(float));
        _k.ShiftLeft(_work, Columns, int.Log2(sizeof(float)));
        _k.Load(_from, x);
        OfRow(_from);
    }

    /// <summary>From the beginning of [rows][columns] f32 to the thread's first piece of the row.</summary>
    public void OfRow(Reg<GlobalAddress> pointer)
    {
        _k.Advance(pointer, pointer, _row, _work);
        _k.Advance(pointer, pointer, _own, sizeof(float));
    }

    /// <summary>Zeros where the row ends, and asks for the weights.</summary>
    public void LoadWeights()
    {
        _k.Comment("columns that the row has not count as zero");
        for (int i = 0; i < Pieces; i++)
        {
            _k.Greater(Inside[i], Columns, _own);
            _k.Add(_own, _own, FullColumns);
            for (int c = 0; c < Vector; c++)
            {
                _k.Move(Values[i][c], 0f);
            }
        }
        Load(_factors, _weights);
    }

    /// <summary>Asks for the row, which the grid before may write, and finds 1 / √(mean + ε).</summary>
    public void LoadRow()
    {
        Load(Values, _from);
        _k.Comment("the sum of squares: a thread's, the warp's, the block's");
        _k.Multiply(_sum, Values[0].X, Values[0].X);
        for (int i = 0; i < Pieces; i++)
        {
            for (int c = i == 0 ? 1 : 0; c < Vector; c++)
            {
                _k.MultiplyAdd(_sum, Values[i][c], Values[i][c], _sum);
            }
        }
        for (int distance = 16; distance > 0; distance /= 2)
        {
            _k.ShuffleXor(_other, _sum, distance);
            _k.Add(_sum, _sum, _other);
        }
        _k.SharedBase(_shared);
        _k.ShiftRight(_work, Thread, 5);
        _k.Advance(_place, _shared, _work, sizeof(float));
        _k.And(_work, Thread, 31);
        _k.Equal(_first, _work, 0);
        _k.When(_first, () => _k.Store(_place, _sum));
        _k.BlockBarrier();
        _k.Load(_sum, _shared);
        for (int warp = 1; warp < Warps; warp++)
        {
            _k.Load(_other, _shared.At(warp * sizeof(float)));
            _k.Add(_sum, _sum, _other);
        }
        _k.Comment("1 / sqrt(mean + eps)");
        _k.ToFloat(_other, Columns);
        _k.Divide(_sum, _sum, _other);
        _k.Add(_sum, _sum, _eps);
        _k.SquareRoot(_sum, _sum);
        _k.Reciprocal(_sum, _sum);
    }

    /// <summary>A piece, normalised and multiplied by its weights.</summary>
    public void Normalise(int piece)
    {
        for (int c = 0; c < Vector; c++)
        {
            _k.Multiply(Values[piece][c], Values[piece][c], _sum);
        }
        for (int c = 0; c < Vector; c++)
        {
            _k.When(Inside[piece], () => _k.Multiply(Values[piece][c], Values[piece][c], _factors[piece][c]));
        }
    }

    private void Load(Vec4<F32>[] into, Reg<GlobalAddress> at)
    {
        for (int i = 0; i < Pieces; i++)
        {
            _k.When(Inside[i], () => _k.Load(into[i], at.At(i * FullColumns * sizeof(float))));
        }
    }
}
