using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Writes the int4 matrix-vector kernels: y [rows, outputs] = x · Wᵀ with W in <see cref="Int4Tiles"/> and x in
/// <see cref="Int4Operand"/>, on tensor cores. Weights are the matrix instruction's rows, tokens its columns. A block computes 32
/// outputs; its four warps share out the groups of 128 inputs and add up in a fixed order. A warp keeps a ring of groups
/// in shared memory that asynchronous copies fill: its depth is the number of bytes on the way, whatever an assembler does.
/// </summary>
internal sealed partial class Int4MatVecPtx
{
    /// <summary>The first architecture with what the kernels are made of.</summary>
    public const int FirstSm = 80;

    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    private const int Warps = 4;
    private const int Tiles = 2;
    private const int PitchBytes = (Int4Tiles.UnitRows + 4) * sizeof(float);
    private const int CodeBytes = Tiles * 2 * Int4Tiles.TileBytes;

    private readonly KernelWriter _k;
    private readonly int _rows;
    private readonly int _columns;
    private readonly bool _experts;
    private readonly int _depth;
    private readonly int _auxiliaryLanes;
    private readonly int _xBytes;
    private readonly int _slotBytes;
    private readonly Registers _r;

    private Int4MatVecPtx(KernelWriter writer, int rows, bool experts)
    {
        (_k, _rows, _experts) = (writer, rows, experts);
        _depth = Depth(rows);
        _columns = (rows + MatrixFragments.N - 1) / MatrixFragments.N;
        _xBytes = XBytes(rows);
        _auxiliaryLanes = AuxiliaryLanes(rows);
        _slotBytes = SlotBytes(rows);
        _k.Shared("ring", Warps * _depth * _slotBytes, $"{Warps} warps, {_depth} groups of {_slotBytes} bytes: codes {CodeBytes}, {(rows == 1 ? "" : $"values {_xBytes}, ")}scales {Int4Tiles.ScaleBytes}, {(rows == 1 ? $"values and sum {Int4Operand.GroupBytes}" : $"sums {16 * rows}")}; at the end each warp's sums [rows][{PitchBytes / 4}] f32");
        _r = new Registers(writer, _columns);
    }

    /// <summary>Rows of x that a kernel takes at once: it comes in three sizes.</summary>
    public static IReadOnlyList<int> RowCounts { get; } = [1, 8, 16];

    /// <summary>The size of the kernel for some rows: larger numbers are slices of the largest.</summary>
    public static int RowsAtOnce(int rows) => rows <= 1 ? 1 : rows <= 8 ? 8 : 16;

    /// <summary>Groups of a warp's ring.</summary>
    public static int Depth(int rows) => rows switch { 1 => 5, 8 => 4, _ => 3 };

    /// <summary>Blocks of a multiprocessor that there shall be registers for: as many as its shared memory holds on sm_90.</summary>
    public static int BlocksPerProcessor(int rows) => rows switch { 1 => 4, 8 => 3, _ => 2 };

    /// <summary>Bytes of dynamic shared memory.</summary>
    public static int SharedBytes(int rows) => Warps * Depth(rows) * SlotBytes(rows);

    /// <summary>The kernel's name.</summary>
    public static string Name(int rows, bool experts) => $"{(experts ? "expert_" : "")}matvec{rows}_int4";

    /// <summary>Writes a kernel.</summary>
    /// <param name="rows">Rows of x at once: 1, 8 or 16.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(int rows, bool experts, int sm)
    {
        var writer = new KernelWriter(Name(rows, experts), sm, Threads, BlocksPerProcessor(rows), Summary(rows, experts, sm));
        new Int4MatVecPtx(writer, rows, experts).Body();
        return writer;
    }

    private static int XBytes(int rows) => rows == 1 ? 0 : rows * Int4Operand.ValueBytes;

    /// <summary>Scales and sums, and the values too if there is one row: small parts that one copy brings, each lane its 16 bytes.</summary>
    private static int AuxiliaryLanes(int rows) => rows == 1 ? (Int4Tiles.ScaleBytes + Int4Operand.GroupBytes) / 16 : (Int4Tiles.ScaleBytes / 16) + rows;

    private static int SlotBytes(int rows) => CodeBytes + XBytes(rows) + (AuxiliaryLanes(rows) * 16);

    private static string Summary(int rows, bool experts, int sm) =>
        $"y = x * W^T: W int4 in tiles, x bf16, sums f32. Up to {rows} row{(rows == 1 ? "" : "s")} at once{(experts ? ", in the order of experts" : "")}; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
        + "Written by Int4MatVecPtx; docs/kernels/int4-matvec.md says why it is as it is.\n"
        + $"grid (outputs / 32, {(experts ? "rows: a block works if its row is the first of a slice of its expert" : $"rows / {rows}")}), block {Threads}";

    private void Body()
    {
        Parameter<GlobalAddress> weights = _k.View("weights", $"{(_experts ? "[experts]" : "")}[units of 32 rows][2][inner / 64][512] bytes: Int4Tiles");
        Parameter<GlobalAddress> scales = _k.View("scales", $"{(_experts ? "[experts]" : "")}[units][inner / 128][8][4] f32");
        Parameter<GlobalAddress> x = _k.View("x", "[rows][inner / 128][288] bytes: Int4Operand");
        Parameter<GlobalAddress>? rowExperts = _experts ? _k.View("row_experts", "[rows] s32: a row's expert") : null;
        Parameter<GlobalAddress>? starts = _experts ? _k.View("starts", "[experts + 1] s32: an expert's first row") : null;
        Parameter<GlobalAddress>? bias = _experts ? null : _k.View("bias", "[outputs] f32, or empty");
        Parameter<GlobalAddress> y = _k.View("y", "[rows][outputs] f32");
        Parameter<GlobalAddress>? rowCount = _experts ? null : _k.View("row_count", "[1] s32: rows of x that mean something");
        Parameter<U32> outputs = _k.Value("outputs", "rows of W");
        Parameter<U32> inner = _k.Value("inner", "columns of W, a multiple of 128");

        Label done = _k.NewLabel("DONE"), loop = _k.NewLabel("LOOP"), end = _k.NewLabel("END");
        _k.Comment("who is who");
        _k.ThreadIndex(_r.Thread);
        _k.And(_r.Lane, _r.Thread, 31);
        _k.ShiftRight(_r.Warp, _r.Thread, 5);
        _k.ShiftRight(_r.G, _r.Lane, 2);
        _k.And(_r.T, _r.Lane, 3);
        _k.BlockX(_r.Unit);
        _k.Load(_r.Inner, inner);
        _k.Load(_r.Outputs, outputs);
        _k.Load(_r.Codes0, weights);
        _k.Load(_r.Scales, scales);
        _k.Load(_r.X, x);
        _k.Load(_r.Y, y);
        _k.EvictFirst(_r.Policy);
        if (_experts)
        {
            _k.LaunchDependents();
            _k.WaitForPredecessor();
            Expert(rowExperts!.Value, starts!.Value, end);
        }
        else
        {
            Rows(rowCount!.Value, end);
        }
        Split();
        Pointers();
        Fill();
        _k.Comment("sums of this warp's groups");
        for (int i = 0; i < Tiles * _columns; i++)
        {
            for (int c = 0; c < 4; c++)
            {
                if (IsUsed(c))
                {
                    _k.Move(_r.Sum[i][c], 0f);
                }
            }
        }
        _k.Equal(_r.Last, _r.Left, 0);
        _k.When(_r.Last, () => _k.BranchUniform(done));
        _k.Place(loop);
        for (int slot = 0; slot < _depth; slot++)
        {
            Group(slot, slot * _slotBytes, done);
        }
        _k.BranchUniform(loop);
        _k.Place(done);
        Reduce(bias, end);
        _k.Place(end);
        _k.Return();
    }

    /// <summary>One row has one column of results: the first and third of a fragment.</summary>
    private bool IsUsed(int element) => _rows > 1 || element % 2 == 0;

    /// <summary>The rows of this slice. What is beyond the last that means something ends at once: a grid may be for more.</summary>
    private void Rows(Parameter<GlobalAddress> rowCount, Label end)
    {
        _k.Comment("its rows; no grid before writes how many there are");
        _k.BlockY(_r.First);
        if (_rows > 1)
        {
            _k.Multiply(_r.First, _r.First, _rows);
        }
        _k.Load(_r.Pointer, rowCount);
        _k.Load(_r.Valid, _r.Pointer);
        _k.Less(_r.Last, _r.First, _r.Valid);
        _k.Unless(_r.Last, () => _k.BranchUniform(end));
        if (_rows > 1)
        {
            _k.Subtract(_r.Valid, _r.Valid, _r.First);
            _k.Minimum(_r.Valid, _r.Valid, _rows);
        }
    }

    private void Expert(Parameter<GlobalAddress> rowExperts, Parameter<GlobalAddress> starts, Label end)
    {
        _k.Comment(_rows == 1 ? "the row's expert" : "the row's expert, and whether a slice of that expert's rows begins here");
        _k.BlockY(_r.First);
        _k.Load(_r.Pointer, rowExperts);
        _k.Advance(_r.Pointer, _r.Pointer, _r.First, sizeof(int));
        _k.Load(_r.Expert, _r.Pointer);
        if (_rows > 1)
        {
            _k.Load(_r.Pointer, starts);
            _k.Advance(_r.Pointer, _r.Pointer, _r.Expert, sizeof(int));
            _k.Load(_r.Work, _r.Pointer);
            _k.Load(_r.Valid, _r.Pointer.At(sizeof(int)));
            _k.Subtract(_r.Work, _r.First, _r.Work);
            _k.And(_r.Work, _r.Work, _rows - 1);
            _k.NotEqual(_r.Last, _r.Work, 0);
            _k.When(_r.Last, () => _k.BranchUniform(end));
            _k.Subtract(_r.Valid, _r.Valid, _r.First);
            _k.Minimum(_r.Valid, _r.Valid, _rows);
        }
        _k.Comment("its weights");
        _k.Add(_r.Work, _r.Outputs, Int4Tiles.UnitRows - 1);
        _k.ShiftRight(_r.Work, _r.Work, 5);
        _k.Multiply(_r.Work, _r.Work, _r.Expert);
        _k.Add(_r.Unit, _r.Work, _r.Unit);
    }

    private void Split()
    {
        _k.Comment("this warp's groups");
        _k.ShiftRight(_r.Groups, _r.Inner, 7);
        _k.Multiply(_r.Begin, _r.Groups, _r.Warp);
        _k.Add(_r.Left, _r.Begin, _r.Groups);
        _k.ShiftRight(_r.Begin, _r.Begin, 2);
        _k.ShiftRight(_r.Left, _r.Left, 2);
        _k.Subtract(_r.Left, _r.Left, _r.Begin);
    }

    private void Pointers()
    {
        _k.Comment("from where this lane copies");
        // A row of tiles has inner / 64 of them: 8 bytes a column.
        _k.ShiftLeft(_r.Work, _r.Inner, 4);
        _k.Advance(_r.Codes0, _r.Codes0, _r.Unit, _r.Work);
        _k.Advance(_r.Codes0, _r.Codes0, _r.Begin, 2 * Int4Tiles.TileBytes);
        _k.Advance(_r.Codes0, _r.Codes0, _r.Lane, 16);
        _k.Advance(_r.Codes1, _r.Codes0, _r.Inner, 8);
        _k.MultiplyAdd(_r.Work, _r.Unit, _r.Groups, _r.Begin);
        _k.Advance(_r.Scales, _r.Scales, _r.Work, Int4Tiles.ScaleBytes);
        _k.Advance(_r.Scales, _r.Scales, _r.Lane, 16);
        _k.Multiply(_r.RowBytes, _r.Groups, Int4Operand.GroupBytes);
        _k.Advance(_r.X, _r.X, _r.Begin, Int4Operand.GroupBytes);
        _k.Advance(_r.X, _r.X, _r.First, _r.RowBytes);
        _k.Subtract(_r.Row, _r.Lane, Int4Tiles.ScaleBytes / 16);
        if (_rows > 1)
        {
            // Rows beyond the last repeat it: their columns are never stored.
            _k.Subtract(_r.Work, _r.Valid, 1);
            _k.Minimum(_r.Row, _r.Row, _r.Work);
            _k.Advance(_r.Auxiliary, _r.X, _r.Row, _r.RowBytes);
            _k.Advance(_r.Auxiliary, _r.Auxiliary, Int4Operand.ValueBytes);
        }
        else
        {
            _k.Advance(_r.Auxiliary, _r.X, _r.Row, 16);
        }
        _k.Less(_r.Scaling, _r.Lane, Int4Tiles.ScaleBytes / 16);
        _k.Less(_r.Copies, _r.Lane, _auxiliaryLanes);
        _k.Select(_r.Auxiliary, _r.Scales, _r.Auxiliary, _r.Scaling);
        _k.Select(_r.Row, Int4Tiles.ScaleBytes, Int4Operand.GroupBytes, _r.Scaling);
        _k.Widen(_r.Stride, _r.Row);
        if (_rows > 1)
        {
            for (int n = 0; n < _columns; n++)
            {
                _k.Add(_r.Row, _r.G, MatrixFragments.N * n);
                _k.Minimum(_r.Row, _r.Row, _r.Work);
                _k.Advance(_r.Values[n], _r.X, _r.Row, _r.RowBytes);
                _k.Advance(_r.Values[n], _r.Values[n], _r.T, 16);
            }
        }
        _k.Comment("and where to");
        _k.SharedBase(_r.Ring);
        _k.Advance(_r.Ring, _r.Ring, _r.Warp, _depth * _slotBytes);
        _k.Advance(_r.Own, _r.Ring, _r.Lane, 16);
        _k.Advance(_r.ByG, _r.Ring, _r.G, 16);
        _k.Advance(_r.ByT, _r.Ring, _r.T, _rows == 1 ? 16 : 32);
    }

    /// <summary>The first groups. Weights depend on no other grid: where grids overlap, their copies are under way before the wait.</summary>
    private void Fill()
    {
        _k.Comment("the ring's first groups");
        bool early = _k.HasDependentLaunch && !_experts;
        for (int pass = early ? 0 : 1; pass < 2; pass++)
        {
            for (int slot = 0; slot < _depth; slot++)
            {
                _k.Greater(_r.More, _r.Left, slot);
                int at = slot * _slotBytes;
                if (pass == 0 || !early)
                {
                    CopyCodes(at);
                }
                if (pass == 1)
                {
                    CopyRest(at);
                    _k.CommitCopies();
                }
            }
            if (pass == 0)
            {
                _k.LaunchDependents();
                _k.WaitForPredecessor();
            }
        }
    }

    /// <summary>Codes, where <see cref="Registers.More"/> holds. Pointers move anyway: an assembler makes selections of what is guarded.</summary>
    private void CopyCodes(int slot)
    {
        for (int tile = 0; tile < Tiles; tile++)
        {
            Reg<GlobalAddress> from = tile == 0 ? _r.Codes0 : _r.Codes1;
            for (int half = 0; half < 2; half++)
            {
                Address<SharedAddress> to = _r.Own.At(slot + (((tile * 2) + half) * Int4Tiles.TileBytes));
                Address<GlobalAddress> at = from.At(half * Int4Tiles.TileBytes);
                _k.When(_r.More, () => _k.CopyAsync(to, at, _r.Policy));
            }
            _k.Advance(from, from, 2 * Int4Tiles.TileBytes);
        }
    }

    /// <summary>Values, scales and sums, likewise.</summary>
    private void CopyRest(int slot)
    {
        _k.And(_r.Take, _r.More, _r.Copies);
        _k.When(_r.Take, () => _k.CopyAsync(_r.Own.At(slot + CodeBytes + _xBytes), _r.Auxiliary));
        _k.Advance(_r.Auxiliary, _r.Auxiliary, _r.Stride);
        for (int n = 0; n < _columns && _rows > 1; n++)
        {
            for (int half = 0; half < 4; half++)
            {
                Address<SharedAddress> to = _r.Own.At(slot + CodeBytes + (((n * 4) + half) * 512));
                Address<GlobalAddress> at = _r.Values[n].At(half * Int4Operand.HalfBytes);
                _k.When(_r.More, () => _k.CopyAsync(to, at));
            }
            _k.Advance(_r.Values[n], _r.Values[n], Int4Operand.GroupBytes);
        }
    }

    private void Reduce(Parameter<GlobalAddress>? bias, Label end)
    {
        _k.Comment("the warps' sums [rows][36] f32: 36, so that no two lanes meet in a bank");
        // Where the warp's own ring was: its copies have landed and its lanes are behind the last barrier.
        _k.Advance(_r.Own, _r.Ring, _r.G, sizeof(float));
        _k.Advance(_r.Own, _r.Own, _r.T, 2 * PitchBytes);
        _k.Equal(_r.Take, _r.T, 0);
        for (int tile = 0; tile < Tiles; tile++)
        {
            for (int n = 0; n < _columns; n++)
            {
                for (int c = 0; c < 4; c++)
                {
                    if (!IsUsed(c))
                    {
                        continue;
                    }
                    (int row, int column) = MatrixFragments.C(0, c);
                    Address<SharedAddress> to = _r.Own.At((((n * MatrixFragments.N) + column) * PitchBytes) + (((tile * Int4Tiles.TileRows) + row) * sizeof(float)));
                    Reg<F32> sum = _r.Sum[(tile * _columns) + n][c];
                    if (_rows == 1)
                    {
                        _k.When(_r.Take, () => _k.Store(to, sum));
                    }
                    else
                    {
                        _k.Store(to, sum);
                    }
                }
            }
        }
        _k.BlockBarrier();
        _k.Comment("a warp adds up a row of every four: a lane an output");
        Label next = _k.NewLabel("NEXT");
        // The units of experts before this one do not count.
        _k.BlockX(_r.Unit);
        _k.MultiplyAdd(_r.Unit, _r.Unit, Int4Tiles.UnitRows, _r.Lane);
        _k.Less(_r.Take, _r.Unit, _r.Outputs);
        _k.SharedBase(_r.Ring);
        _k.Advance(_r.Ring, _r.Ring, _r.Lane, sizeof(float));
        _k.Advance(_r.Ring, _r.Ring, _r.Warp, PitchBytes);
        _k.Advance(_r.Y, _r.Y, _r.Unit, sizeof(float));
        _k.Add(_r.Row, _r.First, _r.Warp);
        _k.ShiftLeft(_r.RowBytes, _r.Outputs, 2);
        _k.Advance(_r.Y, _r.Y, _r.Row, _r.RowBytes);
        if (bias is Parameter<GlobalAddress> given)
        {
            _k.Comment("the output's bias, 0 without one");
            _k.Move(_r.Bias, 0f);
            _k.LoadElements(_r.Work, given);
            _k.Less(_r.Copies, _r.Unit, _r.Work);
            _k.Load(_r.Pointer, given);
            _k.Advance(_r.Pointer, _r.Pointer, _r.Unit, sizeof(float));
            _k.When(_r.Copies, () => _k.Load(_r.Bias, _r.Pointer));
        }
        _k.Place(next);
        _k.Less(_r.Last, _r.Warp, _rows == 1 ? 1 : _r.Valid);
        _k.Unless(_r.Last, () => _k.BranchUniform(end));
        for (int warp = 0; warp < Warps; warp++)
        {
            _k.Load(_r.Scale[warp], _r.Ring.At(warp * _depth * _slotBytes));
        }
        _k.Add(_r.Scale.X, _r.Scale.X, _r.Scale.Y);
        _k.Add(_r.Scale.Z, _r.Scale.Z, _r.Scale.W);
        _k.Add(_r.Scale.X, _r.Scale.X, _r.Scale.Z);
        if (!_experts)
        {
            _k.Add(_r.Scale.X, _r.Scale.X, _r.Bias);
        }
        _k.When(_r.Take, () => _k.Store(_r.Y, _r.Scale.X));
        if (_rows > 1)
        {
            _k.Add(_r.Warp, _r.Warp, Warps);
            _k.Advance(_r.Y, _r.Y, _r.Outputs, Warps * sizeof(float));
            _k.Advance(_r.Ring, _r.Ring, Warps * PitchBytes);
            _k.BranchUniform(next);
        }
    }
}
