using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <content>The loop, the results and the registers.</content>
internal abstract partial class TensorProductPtx<T>
{
    /// <summary>64 columns: half of 128. While they are computed, the steps behind them are under way.</summary>
    private void Step(int step, Label done)
    {
        (int half, int next) = (step % 2, step + Ahead);
        K.Comment($"step {step}: half {half} of 128 columns");
        K.WaitForCopies(Ahead - 1);
        // All have what they copied, and none is at the step before, whose place is filled next.
        K.BlockBarrier();
        K.Greater(R.More, R.Left, (half + Ahead) / 2);
        if (next % 2 == 0)
        {
            Advance();
        }
        CopyWeights(next % Tile.Stages, next % 2, next / 2 % 2, R.More);
        CopyValues(next % Tile.Stages, next % 2, next / 2 % 2, R.More);
        K.CommitCopies();
        if (half == 0)
        {
            BeginGroup(step / 2 % 2);
        }
        Columns(step % Tile.Stages * StageBytes);
        if (half > 0)
        {
            K.Subtract(R.Left, R.Left, 1);
            K.Equal(R.Take, R.Left, 0);
            K.When(R.Take, () => K.BranchUniform(done));
        }
    }

    /// <summary>A step's values, where there is such a step. Pointers move anyway: an assembler makes selections of what is guarded.</summary>
    private void CopyValues(int place, int half, int group, Reg<Predicate>? more)
    {
        for (int i = 0; i < R.Values.Length; i++)
        {
            Reg<GlobalAddress> from = R.Values[i];
            int to = (place * StageBytes) + _weightBytes + (i * Tile.CopiedRows * RowBytes);
            Guarded(more, () => K.CopyAsync(R.ToValues.At(to), from.At(half * RowBytes)));
        }
        if (half == 0)
        {
            CopySums(group, more);
        }
    }

    /// <summary>Instructions where a predicate holds; without one, everywhere.</summary>
    protected void Guarded(Reg<Predicate>? condition, Action body)
    {
        if (condition is Reg<Predicate> given)
        {
            K.When(given, body);
        }
        else
        {
            body();
        }
    }

    /// <summary>The next 128 columns.</summary>
    private void Advance()
    {
        AdvanceWeights();
        foreach (Reg<GlobalAddress> values in R.Values)
        {
            K.Advance(values, values, _groupBytes);
        }
    }

    /// <summary>The step's products: two halves of two blocks of 16 columns.</summary>
    private void Columns(int stage)
    {
        LoadWeights(stage);
        for (int half = 0; half < 2; half++)
        {
            for (int n = 0; n < Tile.WarpEights; n++)
            {
                K.Load(R.Value[n], R.OfValues[half].At(stage + _weightBytes + (n * MatrixFragments.N * RowBytes)));
            }
            for (int block = 0; block < 2; block++)
            {
                for (int tile = 0; tile < Tile.WarpTiles; tile++)
                {
                    Fragment(stage, tile, (2 * half) + block);
                    for (int n = 0; n < Tile.WarpEights; n++)
                    {
                        Vec4<T> value = R.Value[n];
                        Vec4<F32> sum = R.Sum[(tile * Tile.WarpEights) + n];
                        K.MatrixMultiply(sum, R.Fragment, block == 0 ? new(value.X, value.Y) : new(value.Z, value.W), sum);
                    }
                }
            }
        }
    }

    /// <summary>Results of the sums and the bias. Eight lanes store a sector of a row.</summary>
    private void Results(Parameter<GlobalAddress> y, Parameter<GlobalAddress>? bias)
    {
        K.Comment("the lane's first output, and which of its outputs there are");
        K.Add(R.Output, R.Output, R.WarpOutput);
        K.Add(R.Output, R.Output, R.G);
        for (int of = 0; of < R.Stored.Length; of++)
        {
            K.Add(R.Work, R.Output, 8 * of);
            K.Less(R.Stored[of], R.Work, R.Outputs);
        }
        if (bias is Parameter<GlobalAddress> given)
        {
            K.Comment("the outputs' biases, 0 without one");
            K.LoadElements(R.Count, given);
            K.Load(R.Pointer, given);
            K.Advance(R.Pointer, R.Pointer, R.Output, sizeof(float));
            for (int of = 0; of < R.Stored.Length; of++)
            {
                Reg<F32> value = R.Bias[of];
                int bytes = 8 * of * sizeof(float);
                K.Move(value, 0f);
                K.Add(R.Work, R.Output, 8 * of);
                K.Less(R.Take, R.Work, R.Count);
                K.When(R.Take, () => K.Load(value, R.Pointer.At(bytes)));
            }
        }
        BeginResults();
        K.Comment("its results of the tokens 2t and 2t + 1 of each eight");
        K.Load(R.Y, y);
        K.Advance(R.Y, R.Y, R.Output, sizeof(float));
        K.ShiftLeft(R.Work, R.Outputs, 2);
        K.MultiplyAdd(R.WarpToken, R.Quarter, 2, R.WarpToken);
        K.Add(R.Row, R.First, R.WarpToken);
        K.Advance(R.Y, R.Y, R.Row, R.Work);
        for (int n = 0; n < Tile.WarpEights; n++)
        {
            for (int column = 0; column < 2; column++)
            {
                int token = (n * MatrixFragments.N) + column;
                K.Add(R.Row, R.WarpToken, token);
                K.Less(R.More, R.Row, R.Valid);
                BeginToken();
                K.Advance(R.Pointer, R.Y, R.Outputs, token * sizeof(float));
                for (int of = 0; of < R.Stored.Length; of++)
                {
                    Reg<F32> sum = R.Sum[(of / 2 * Tile.WarpEights) + n][(2 * (of % 2)) + column];
                    int bytes = 8 * of * sizeof(float);
                    Finish(sum, of, Experts ? null : R.Bias[of]);
                    K.And(R.Take, R.More, R.Stored[of]);
                    K.When(R.Take, () => K.Store(R.Pointer.At(bytes), sum));
                }
            }
        }
    }

    /// <summary>The registers that all have, with their meaning.</summary>
    protected sealed class Registers(KernelWriter k, TensorTile of)
    {
        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp, 4g + t");

        public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block");

        public Reg<U32> G { get; } = k.Register<U32>("g", "row of weights modulo 8, and token, of the lane's fragments");

        public Reg<U32> Quarter { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

        public Reg<U32> Piece { get; } = k.Register<U32>("piece", "16 bytes of a row of values that the thread copies");

        public Reg<U32> Inner { get; } = k.Register<U32>("inner_count", "columns of W");

        public Reg<U32> Outputs { get; } = k.Register<U32>("output_count", "rows of W");

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

        public Reg<GlobalAddress>[] Values { get; } = [.. Enumerable.Range(0, of.Tokens / of.CopiedRows).Select(i => k.Register<GlobalAddress>($"values{i}", "next values of a row to copy"))];

        public Reg<GlobalAddress> Y { get; } = k.Register<GlobalAddress>("y_pointer", "y");

        public Reg<SharedAddress> Base { get; } = k.Register<SharedAddress>("base", "shared memory");

        public Reg<SharedAddress> ToValues { get; } = k.Register<SharedAddress>("to_values", "its values");

        public Reg<SharedAddress>[] OfValues { get; } = [k.Register<SharedAddress>("of_values0", "its values, columns 0 to 31"), k.Register<SharedAddress>("of_values1", "columns 32 to 63")];

        public Reg<Predicate> More { get; } = k.Register<Predicate>("more", "there is such a step; at the end, such a token");

        public Reg<Predicate> Take { get; } = k.Register<Predicate>("take", "temporary");

        public Reg<Predicate>[] Stored { get; } = [.. Enumerable.Range(0, 2 * of.WarpTiles).Select(i => k.Register<Predicate>($"stored{i}", "there is such an output"))];

        public Reg<F32>[] Bias { get; } = [.. Enumerable.Range(0, 2 * of.WarpTiles).Select(i => k.Register<F32>($"bias{i}", "the bias of an output"))];

        public Vec4<T> Fragment { get; } = k.Quad<T>("a", "fragment of weights");

        public Vec4<T>[] Value { get; } = [.. Enumerable.Range(0, of.WarpEights).Select(n => k.Quad<T>($"b{n}_", "fragments of x: two blocks of 16 columns"))];

        public Vec4<F32>[] Sum { get; } = [.. Enumerable.Range(0, of.WarpTiles * of.WarpEights).Select(part => k.Quad<F32>($"sum{part}_", "sums"))];
    }
}
