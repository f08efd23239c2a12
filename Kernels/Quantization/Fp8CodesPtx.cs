using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// What kernels do with rows of E4M3 codes: <c>ldmatrix</c> brings a lane four codes of the rows g and g + 8 for each block of 16 columns, which become float16. From sm_89 on
/// an instruction converts two. Before, bits are moved: the exponent's bias is 15 instead of 7, so that values are 2⁻⁸ of what they stand for, and what is no
/// number is remembered for its row and brought in at the end.
/// </summary>
internal sealed class Fp8CodesPtx
{
    private const int FirstWithConversion = 89;
    private const int NaNBits = 0x7E00_7E00;

    private readonly KernelWriter _k;
    private readonly Vec4<F16x2> _fragment;
    private readonly Vec4<U32>[] _codes;
    private readonly Reg<U32>[] _marks;
    private readonly Reg<U32> _work, _mark;
    private readonly Vec2<B16> _half;
    private readonly Reg<Predicate> _isMarked;
    private readonly bool _converts;

    /// <summary>Declares the registers.</summary>
    /// <param name="writer">Writes the kernel.</param>
    /// <param name="tiles">Tiles of 16 rows that a warp has.</param>
    /// <param name="fragment">Where fragments go.</param>
    public Fp8CodesPtx(KernelWriter writer, int tiles, Vec4<F16x2> fragment)
    {
        (_k, _fragment, _converts) = (writer, fragment, writer.Sm >= FirstWithConversion);
        _codes = [.. Enumerable.Range(0, tiles).Select(tile => writer.Quad<U32>($"codes{tile}_", "codes of the rows g and g + 8: a block of 16 columns, then the next"))];
        _work = writer.Register<U32>("moved", "codes on their way");
        _mark = writer.Register<U32>("mark", "temporary");
        _half = writer.Pair<B16>("two", "two codes");
        _isMarked = writer.Register<Predicate>("is_marked", "a row has what is no number");
        _marks = [.. Enumerable.Range(0, 2 * tiles).Select(i => writer.Register<U32>($"mark{i}_", "high bits of bytes: codes of a row that are no numbers"))];
    }

    /// <summary>What results are to be multiplied by.</summary>
    public float Factor => _converts ? 1 : 256;

    /// <summary>Before the loop.</summary>
    public void Begin()
    {
        for (int i = 0; i < _marks.Length && !_converts; i++)
        {
            _k.Move(_marks[i], 0);
        }
    }

    /// <summary>The fragment of a tile and a block; of two blocks one after another.</summary>
    /// <param name="from">The lane's piece of the tile for the block and the one after it.</param>
    /// <param name="tile">The tile.</param>
    /// <param name="block">The block.</param>
    public void Fragment(Address<SharedAddress> from, int tile, int block)
    {
        Vec4<U32> codes = _codes[tile];
        if (block % 2 == 0)
        {
            _k.LoadMatrices(codes, from);
        }
        for (int half = 0; half < 2; half++)
        {
            Reg<U32> word = codes[(2 * (block % 2)) + half];
            Decode(word, _marks[(2 * tile) + half], half == 0 ? _fragment.X : _fragment.Y, half == 0 ? _fragment.Z : _fragment.W);
        }
    }

    /// <summary>After the loop: what is no number, times zero, is added to its row's sums.</summary>
    /// <param name="sums">Of tiles, each with its eights of tokens.</param>
    public void End(ReadOnlySpan<Vec4<F32>> sums)
    {
        if (_converts)
        {
            return;
        }
        _k.Comment("rows with what is no number");
        _k.Move(_work, 0);
        int eights = sums.Length / _codes.Length;
        for (int tile = 0; tile < _codes.Length; tile++)
        {
            for (int half = 0; half < 2; half++)
            {
                _k.And(_mark, _marks[(2 * tile) + half], unchecked((int)0x8080_8080));
                _k.NotEqual(_isMarked, _mark, 0);
                _k.Select(_mark, NaNBits, 0, _isMarked);
                _k.Reinterpret(half == 0 ? _fragment.X : _fragment.Y, _mark);
            }
            _k.Reinterpret(_fragment.Z, _work);
            _k.Reinterpret(_fragment.W, _work);
            for (int n = 0; n < eights; n++)
            {
                Vec4<F32> sum = sums[(tile * eights) + n];
                _k.MatrixMultiply(sum, _fragment, new(_fragment.Z, _fragment.W), sum);
            }
        }
    }

    private void Decode(Reg<U32> word, Reg<U32> marks, Reg<F16x2> first, Reg<F16x2> second)
    {
        if (_converts)
        {
            _k.Split(_half, word);
            _k.DecodeE4M3(first, _half.X);
            _k.DecodeE4M3(second, _half.Y);
            return;
        }
        // 0x7F + 1 reaches the byte's high bit.
        _k.And(_mark, word, 0x7F7F_7F7F);
        _k.Add(_mark, _mark, 0x0101_0101);
        _k.Or(marks, marks, _mark);
        for (int pair = 0; pair < 2; pair++)
        {
            // Each code above eight zeros; its seven bits one to the right, the sign where it is.
            _k.Permute(_work, word, 0, pair == 0 ? 0x1404 : 0x3424);
            _k.And(_mark, _work, 0x7F00_7F00);
            _k.ShiftRight(_mark, _mark, 1);
            _k.MaskAndOr(pair == 0 ? first : second, _work, 0x8000_8000, _mark);
        }
    }
}
