using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <content>The loop, the results and the registers.</content>
internal sealed partial class Int4GemmPtx
{
    /// <summary>64 columns: half a group. While it is computed, the three steps behind it are under way.</summary>
    private void Step(int slot, Label done)
    {
        int group = slot / 2, half = slot % 2;
        _k.Comment($"step {slot}: half {half} of a group");
        _k.WaitForCopies(Stages - 2);
        // All have what they copied, and none is at the step before, whose place is filled next.
        _k.BlockBarrier();
        _k.Greater(_r.More, _r.Left, 1 + half);
        if (half > 0)
        {
            Advance();
        }
        Copy((slot + Stages - 1) % Stages);
        _k.CommitCopies();
        if (half == 0)
        {
            BeginGroup((Stages * _size.StageBytes) + (group * _size.AuxiliaryBytes));
        }
        Columns(slot * _size.StageBytes);
        if (half > 0)
        {
            _k.Subtract(_r.Left, _r.Left, 1);
            _k.Equal(_r.Take, _r.Left, 0);
            _k.When(_r.Take, () => _k.BranchUniform(done));
        }
    }

    /// <summary>Copies for a step's place, where there is such a step: <see cref="Registers.More"/>. Pointers move anyway: an assembler makes selections of what is guarded.</summary>
    private void Copy(int step)
    {
        if (step % 2 == 0)
        {
            _k.And(_r.MoreSums, _r.More, _r.Summing);
            _k.And(_r.MoreScales, _r.More, _r.Scaling);
        }
        CopyCodes(step, _r.More, _r.MoreScales);
        CopyValues(step, _r.More, _r.MoreSums);
    }

    /// <summary>A step's codes, and with the first half of a group its scales.</summary>
    private void CopyCodes(int step, Reg<Predicate>? more = null, Reg<Predicate>? moreScales = null)
    {
        (int group, int half) = (step / 2, step % 2);
        Guarded(more, () => _k.CopyAsync(_r.ToCodes.At(step * _size.StageBytes), _r.Codes.At(half * TileBytes)));
        if (half == 0)
        {
            Guarded(moreScales ?? _r.Scaling, () => _k.CopyAsync(_r.ToCodes.At((Stages * _size.StageBytes) + (group * _size.AuxiliaryBytes)), _r.Scales));
        }
    }

    /// <summary>A step's values, and with the first half of a group its sums.</summary>
    private void CopyValues(int step, Reg<Predicate>? more = null, Reg<Predicate>? moreSums = null)
    {
        (int group, int half) = (step / 2, step % 2);
        for (int i = 0; i < _r.Values.Length; i++)
        {
            (Reg<GlobalAddress> from, int row) = (_r.Values[i], i * _rowsOfCopy);
            Guarded(more, () => _k.CopyAsync(_r.ToValues.At((step * _size.StageBytes) + _size.CodeBytes + (row * RowBytes)), from.At(half * RowBytes)));
            if (half == 0)
            {
                Guarded(moreSums ?? _r.Summing, () => _k.CopyAsync(_r.ToSums.At((group * _size.AuxiliaryBytes) + (row * Int4Operand.SumBytes)), from.At(Int4Operand.ValueBytes)));
            }
        }
    }

    private void Guarded(Reg<Predicate>? condition, Action body)
    {
        if (condition is Reg<Predicate> given)
        {
            _k.When(given, body);
        }
        else
        {
            body();
        }
    }

    /// <summary>The next group's operands.</summary>
    private void Advance()
    {
        _k.Advance(_r.Codes, _r.Codes, 2 * TileBytes);
        _k.Advance(_r.Scales, _r.Scales, Int4Tiles.ScaleBytes);
        foreach (Reg<GlobalAddress> values in _r.Values)
        {
            _k.Advance(values, values, Int4Operand.GroupBytes);
        }
    }

    /// <summary>Sums in units of the new group's scales, less what <see cref="Int4Tiles.Offset"/> will add to them.</summary>
    private void BeginGroup(int auxiliary)
    {
        for (int unit = 0; unit < _r.Scale.Length; unit++)
        {
            _k.Load(_r.Next, _r.OfScales.At(auxiliary + (unit * Int4Tiles.ScaleBytes)));
            for (int i = 0; i < 4; i++)
            {
                _k.ReciprocalNear(_r.Ratio[unit][i], _r.Next[i]);
                _k.Multiply(_r.Ratio[unit][i], _r.Ratio[unit][i], _r.Scale[unit][i]);
                _k.Move(_r.Scale[unit][i], _r.Next[i]);
            }
        }
        for (int n = 0; n < _eights; n++)
        {
            int sums = auxiliary + _size.ScaleBytes + (n * MatrixFragments.N * Int4Operand.SumBytes);
            _k.Load(_r.Offset.X, _r.OfSums.At(sums));
            _k.Load(_r.Offset.Y, _r.OfSums.At(sums + Int4Operand.SumBytes));
            for (int tile = 0; tile < _tiles; tile++)
            {
                for (int c = 0; c < 4; c++)
                {
                    int of = (2 * tile) + (c / 2);
                    Reg<F32> sum = _r.Sum[(tile * _eights) + n][c];
                    _k.MultiplyAdd(sum, sum, _r.Ratio[of / 4][of % 4], c % 2 == 0 ? _r.Offset.X : _r.Offset.Y);
                }
            }
        }
    }

    /// <summary>The step's products: two halves of two blocks of 16 columns.</summary>
    private void Columns(int stage)
    {
        for (int tile = 0; tile < _tiles; tile++)
        {
            _k.Load(_r.Word[tile], _r.OfCodes.At(stage + (tile * TileBytes)));
        }
        for (int half = 0; half < 2; half++)
        {
            for (int n = 0; n < _eights; n++)
            {
                _k.Load(_r.Value[n], _r.OfValues[half].At(stage + _size.CodeBytes + (n * MatrixFragments.N * RowBytes)));
            }
            for (int block = 0; block < 2; block++)
            {
                for (int tile = 0; tile < _tiles; tile++)
                {
                    Int4TilesPtx.Decode(_k, _r.Word[tile][(2 * half) + block], _r.Shift, _r.Fragment);
                    for (int n = 0; n < _eights; n++)
                    {
                        Vec4<Bf16x2> value = _r.Value[n];
                        Vec4<F32> sum = _r.Sum[(tile * _eights) + n];
                        _k.MatrixMultiply(sum, _r.Fragment, block == 0 ? new(value.X, value.Y) : new(value.Z, value.W), sum);
                    }
                }
            }
        }
    }

    /// <summary>Sums times the last group's scales, and the bias. Eight lanes store a sector of a row.</summary>
    private void Results(Parameter<GlobalAddress> y, Parameter<GlobalAddress>? bias)
    {
        _k.Comment("the lane's first output, and which of its outputs there are");
        _k.Add(_r.Output, _r.Output, _r.WarpOutput);
        _k.Add(_r.Output, _r.Output, _r.G);
        for (int of = 0; of < _r.Stored.Length; of++)
        {
            _k.Add(_r.Work, _r.Output, 8 * of);
            _k.Less(_r.Stored[of], _r.Work, _r.Outputs);
        }
        if (bias is Parameter<GlobalAddress> given)
        {
            _k.Comment("the outputs' biases, 0 without one");
            _k.LoadElements(_r.Count, given);
            _k.Load(_r.Pointer, given);
            _k.Advance(_r.Pointer, _r.Pointer, _r.Output, sizeof(float));
            for (int of = 0; of < _r.Stored.Length; of++)
            {
                Reg<F32> value = _r.Ratio[of / 4][of % 4];
                int bytes = 8 * of * sizeof(float);
                _k.Move(value, 0f);
                _k.Add(_r.Work, _r.Output, 8 * of);
                _k.Less(_r.Take, _r.Work, _r.Count);
                _k.When(_r.Take, () => _k.Load(value, _r.Pointer.At(bytes)));
            }
        }
        _k.Comment("its results of the tokens 2t and 2t + 1 of each eight");
        _k.Load(_r.Y, y);
        _k.Advance(_r.Y, _r.Y, _r.Output, sizeof(float));
        _k.ShiftLeft(_r.Work, _r.Outputs, 2);
        _k.MultiplyAdd(_r.WarpToken, _r.T, 2, _r.WarpToken);
        _k.Add(_r.Row, _r.First, _r.WarpToken);
        _k.Advance(_r.Y, _r.Y, _r.Row, _r.Work);
        for (int n = 0; n < _eights; n++)
        {
            for (int column = 0; column < 2; column++)
            {
                int token = (n * MatrixFragments.N) + column;
                _k.Add(_r.Row, _r.WarpToken, token);
                _k.Less(_r.More, _r.Row, _r.Valid);
                _k.Advance(_r.Pointer, _r.Y, _r.Outputs, token * sizeof(float));
                for (int of = 0; of < _r.Stored.Length; of++)
                {
                    Reg<F32> sum = _r.Sum[(of / 2 * _eights) + n][(2 * (of % 2)) + column];
                    int bytes = 8 * of * sizeof(float);
                    if (_experts)
                    {
                        _k.Multiply(sum, sum, Scale(of));
                    }
                    else
                    {
                        _k.MultiplyAdd(sum, sum, Scale(of), _r.Ratio[of / 4][of % 4]);
                    }
                    _k.And(_r.Take, _r.More, _r.Stored[of]);
                    _k.When(_r.Take, () => _k.Store(_r.Pointer.At(bytes), sum));
                }
            }
        }
    }

    /// <summary>All registers, with their meaning.</summary>
    private sealed class Registers(KernelWriter k, int tiles, int eights, int copies)
    {
        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp, 4g + t");

        public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block");

        public Reg<U32> G { get; } = k.Register<U32>("g", "row of weights modulo 8, and token, of the lane's fragments");

        public Reg<U32> T { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

        public Reg<U32> Piece { get; } = k.Register<U32>("piece", "16 bytes of a row of values that the thread copies");

        public Reg<U32> Inner { get; } = k.Register<U32>("inner_count", "columns of W");

        public Reg<U32> Outputs { get; } = k.Register<U32>("output_count", "rows of W");

        public Reg<U32> Units { get; } = k.Register<U32>("units", "units of 32 rows of a matrix");

        public Reg<U32> Output { get; } = k.Register<U32>("output", "the block's first output; at the end the lane's");

        public Reg<U32> First { get; } = k.Register<U32>("first", "the block's first row of x");

        public Reg<U32> Valid { get; } = k.Register<U32>("valid", "rows of x there are");

        public Reg<U32> Last { get; } = k.Register<U32>("last", "the last of them");

        public Reg<U32> Expert { get; } = k.Register<U32>("expert", "expert of the rows");

        public Reg<U32> Count { get; } = k.Register<U32>("count", "elements of a view");

        public Reg<U32> Left { get; } = k.Register<U32>("left", "groups of 128 columns that are not done");

        public Reg<U32> WarpOutput { get; } = k.Register<U32>("warp_output", "the warp's first output of the block's");

        public Reg<U32> WarpToken { get; } = k.Register<U32>("warp_token", "the warp's first token of the block's; at the end the lane's");

        public Reg<U32> Row { get; } = k.Register<U32>("row", "row of x or tile of rows of W, temporary");

        public Reg<U32> Work { get; } = k.Register<U32>("work", "temporary");

        public Reg<GlobalAddress> Pointer { get; } = k.Register<GlobalAddress>("pointer", "temporary");

        public Reg<GlobalAddress> Codes { get; } = k.Register<GlobalAddress>("codes", "next codes to copy");

        public Reg<GlobalAddress> Scales { get; } = k.Register<GlobalAddress>("scale_pointer", "next scales to copy");

        public Reg<GlobalAddress>[] Values { get; } = [.. Enumerable.Range(0, copies).Select(i => k.Register<GlobalAddress>($"values{i}", "next values of a row to copy"))];

        public Reg<GlobalAddress> Y { get; } = k.Register<GlobalAddress>("y_pointer", "y");

        public Reg<SharedAddress> Base { get; } = k.Register<SharedAddress>("base", "shared memory");

        public Reg<SharedAddress> ToCodes { get; } = k.Register<SharedAddress>("to_codes", "where the thread's codes and scales go");

        public Reg<SharedAddress> ToValues { get; } = k.Register<SharedAddress>("to_values", "its values");

        public Reg<SharedAddress> ToSums { get; } = k.Register<SharedAddress>("to_sums", "its sums");

        public Reg<SharedAddress> OfCodes { get; } = k.Register<SharedAddress>("of_codes", "the lane's codes");

        public Reg<SharedAddress> OfScales { get; } = k.Register<SharedAddress>("of_scales", "its scales");

        public Reg<SharedAddress> OfSums { get; } = k.Register<SharedAddress>("of_sums", "its sums");

        public Reg<SharedAddress>[] OfValues { get; } = [k.Register<SharedAddress>("of_values0", "its values, columns 0 to 31"), k.Register<SharedAddress>("of_values1", "columns 32 to 63")];

        public Reg<Predicate> More { get; } = k.Register<Predicate>("more", "there is such a step; at the end, such a token");

        public Reg<Predicate> Summing { get; } = k.Register<Predicate>("summing", "the thread copies sums");

        public Reg<Predicate> Scaling { get; } = k.Register<Predicate>("scaling", "the thread copies scales");

        public Reg<Predicate> MoreSums { get; } = k.Register<Predicate>("more_sums", "and there are some");

        public Reg<Predicate> MoreScales { get; } = k.Register<Predicate>("more_scales", "and there are some");

        public Reg<Predicate> Take { get; } = k.Register<Predicate>("take", "temporary");

        public Reg<Predicate>[] Stored { get; } = [.. Enumerable.Range(0, 2 * tiles).Select(of => k.Register<Predicate>($"stored{of}", "there is such an output"))];

        public Vec4<U32>[] Word { get; } = [.. Enumerable.Range(0, tiles).Select(tile => k.Quad<U32>($"word{tile}_", "codes of a tile"))];

        public Vec4<U32> Shift { get; } = k.Quad<U32>("shift", "a word moved by 4, 8 and 12");

        public Vec4<Bf16x2> Fragment { get; } = k.Quad<Bf16x2>("a", "fragment of weights, 24 + code");

        public Vec4<Bf16x2>[] Value { get; } = [.. Enumerable.Range(0, eights).Select(n => k.Quad<Bf16x2>($"b{n}_", "fragments of x: two blocks of 16 columns"))];

        public Vec4<F32>[] Sum { get; } = [.. Enumerable.Range(0, tiles * eights).Select(part => k.Quad<F32>($"sum{part}_", "sums, in units of the scale"))];

        public Vec4<F32>[] Scale { get; } = [.. Enumerable.Range(0, tiles / 2).Select(unit => k.Quad<F32>($"scale{unit}_", "scales of the rows g, g + 8, g + 16, g + 24"))];

        public Vec4<F32> Next { get; } = k.Quad<F32>("next", "the new group's");

        public Vec4<F32>[] Ratio { get; } = [.. Enumerable.Range(0, tiles / 2).Select(unit => k.Quad<F32>($"ratio{unit}_", "scale over the new group's; at the end the biases"))];

        public Vec2<F32> Offset { get; } = k.Pair<F32>("offset", "-24 times the sums of the tokens 2t, 2t + 1");
    }
}
