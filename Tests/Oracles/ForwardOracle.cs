namespace Llama4Kernels.Tests.Oracles;

/// <summary>
/// The text forward pass in float64, one token and one number at a time; rotary angles alone are rounded to float32, as
/// the reference does. Weights go by their names in a flat checkpoint.
/// </summary>
internal sealed class ForwardOracle(ForwardOracleShape shape, IReadOnlyDictionary<string, float[]> weights)
{
    /// <summary>Router logits [E] by layer and token.</summary>
    public Dictionary<(int Layer, int Token), double[]> Routers { get; } = [];

    /// <summary>Logits of every token.</summary>
    public double[][] Run(int[] ids)
    {
        double[][] hidden = Array.ConvertAll(ids, id => Row(weights["model.embed_tokens.weight"], id, shape.Hidden));
        for (int layer = 0; layer < shape.Layers; layer++)
        {
            string name = $"model.layers.{layer}.";
            double[][] attention = Attention(layer, $"{name}self_attn.", Norms(hidden, $"{name}input_layernorm.weight"));
            Add(hidden, attention);
            double[][] normed = Norms(hidden, $"{name}post_attention_layernorm.weight");
            double[][] forward = new double[ids.Length][];
            for (int t = 0; t < ids.Length; t++)
            {
                forward[t] = shape.Moe[layer]
                    ? Experts(layer, t, $"{name}feed_forward.", normed[t])
                    : SwiGlu($"{name}feed_forward.", normed[t], shape.DenseWidth);
            }
            Add(hidden, forward);
        }
        string head = shape.Tied ? "model.embed_tokens.weight" : "lm_head.weight";
        return Array.ConvertAll(Norms(hidden, "model.norm.weight"), row => Linear(head, row, shape.Vocabulary));
    }

    private double[][] Attention(int layer, string name, double[][] input)
    {
        int d = shape.HeadDim;
        double[][] q = Array.ConvertAll(input, x => Biased($"{name}q_proj", x, shape.Heads * d));
        double[][] k = Array.ConvertAll(input, x => Biased($"{name}k_proj", x, shape.KvHeads * d));
        double[][] v = Array.ConvertAll(input, x => Biased($"{name}v_proj", x, shape.KvHeads * d));
        for (int p = 0; p < input.Length; p++)
        {
            if (shape.Rope[layer])
            {
                Rotate(q[p], p);
                Rotate(k[p], p);
                if (shape.QkNorm)
                {
                    NormHeads(q[p]);
                    NormHeads(k[p]);
                }
            }
            else if (shape.Temperature)
            {
                double scale = 1 + shape.AttnScale * Math.Log(1 + Math.Floor((p + 1) / shape.FloorScale));
                q[p] = Array.ConvertAll(q[p], value => value * scale);
            }
        }
        double[][] output = new double[input.Length][];
        for (int p = 0; p < input.Length; p++)
        {
            bool chunked = (shape.Chunked ?? shape.Rope)[layer] && shape.Chunk is not null;
            int first = chunked ? p / shape.Chunk!.Value * shape.Chunk.Value : 0;
            double[] heads = new double[shape.Heads * d];
            for (int h = 0; h < shape.Heads; h++)
            {
                int kv = h / (shape.Heads / shape.KvHeads);
                AttendHead(heads.AsSpan(h * d, d), q[p].AsSpan(h * d, d), k, v, kv * d, first, p);
            }
            output[p] = Biased($"{name}o_proj", heads, shape.Hidden);
        }
        return output;
    }

    private static void AttendHead(Span<double> output, Span<double> query, double[][] k, double[][] v, int column, int first, int last)
    {
        double[] scores = new double[last - first + 1];
        for (int i = 0; i < scores.Length; i++)
        {
            for (int j = 0; j < query.Length; j++)
            {
                scores[i] += query[j] * k[first + i][column + j];
            }
            scores[i] /= Math.Sqrt(query.Length);
        }
        double max = scores.Max();
        double sum = scores.Sum(score => Math.Exp(score - max));
        for (int i = 0; i < scores.Length; i++)
        {
            double weight = Math.Exp(scores[i] - max) / sum;
            for (int j = 0; j < query.Length; j++)
            {
                output[j] += weight * v[first + i][column + j];
            }
        }
    }

    private void Rotate(double[] row, int position)
    {
        int d = shape.HeadDim;
        for (int i = 0; i < row.Length; i += 2)
        {
            float angle = position * Frequency(i % d / 2);
            (double sin, double cos) = Math.SinCos(angle);
            (row[i], row[i + 1]) = (row[i] * cos - row[i + 1] * sin, row[i] * sin + row[i + 1] * cos);
        }
    }

    private float Frequency(int j)
    {
        float exponent = (float)(2.0 * j / shape.HeadDim);
        float power = (float)Math.Pow(shape.Theta, exponent);
        float f = 1 / power;
        if (shape.Scaling is not var (factor, low, high, original))
        {
            return f;
        }
        float wavelength = (float)(2 * Math.PI) / f;
        if (wavelength < original / high)
        {
            return f;
        }
        if (wavelength > original / low)
        {
            return f / factor;
        }
        float smooth = (original / wavelength - low) / (high - low);
        return (1 - smooth) * f / factor + smooth * f;
    }

    private void NormHeads(double[] row)
    {
        for (int from = 0; from < row.Length; from += shape.HeadDim)
        {
            double scale = InverseRms(row.AsSpan(from, shape.HeadDim));
            for (int i = from; i < from + shape.HeadDim; i++)
            {
                row[i] *= scale;
            }
        }
    }

    private double[] Experts(int layer, int token, string name, double[] x)
    {
        double[] router = Linear($"{name}router.weight", x, shape.Experts);
        Routers[(layer, token)] = router;
        double[] result = SwiGlu($"{name}shared_expert.", x, shape.ExpertWidth);
        foreach (int e in Enumerable.Range(0, shape.Experts).OrderByDescending(e => router[e]).Take(shape.PerToken))
        {
            double score = 1 / (1 + Math.Exp(-router[e]));
            double[] scaled = Array.ConvertAll(x, value => value * score);
            int width = shape.ExpertWidth;
            double[] both = InOut(weights[$"{name}experts.gate_up_proj"], e, scaled, 2 * width);
            double[] inner = Gate(both[..width], both[width..]);
            double[] y = InOut(weights[$"{name}experts.down_proj"], e, inner, shape.Hidden);
            Add([result], [y]);
        }
        return result;
    }

    private double[] SwiGlu(string name, double[] x, int width) =>
        Linear($"{name}down_proj.weight", Gate(Linear($"{name}gate_proj.weight", x, width), Linear($"{name}up_proj.weight", x, width)), shape.Hidden);

    private static double[] Gate(double[] gate, double[] up) => [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)];

    private double[] Biased(string name, double[] x, int outputs)
    {
        double[] y = Linear($"{name}.weight", x, outputs);
        if (shape.Bias)
        {
            Add([y], [Row(weights[$"{name}.bias"], 0, outputs)]);
        }
        return y;
    }

    private double[] Linear(string name, double[] x, int outputs)
    {
        float[] w = weights[name];
        double[] y = new double[outputs];
        for (int o = 0; o < outputs; o++)
        {
            for (int i = 0; i < x.Length; i++)
            {
                y[o] += x[i] * w[o * x.Length + i];
            }
        }
        return y;
    }

    private static double[] InOut(float[] w, int expert, double[] x, int outputs)
    {
        double[] y = new double[outputs];
        for (int i = 0; i < x.Length; i++)
        {
            for (int o = 0; o < outputs; o++)
            {
                y[o] += x[i] * w[(expert * x.Length + i) * outputs + o];
            }
        }
        return y;
    }

    private double[][] Norms(double[][] rows, string name)
    {
        float[] w = weights[name];
        return Array.ConvertAll(rows, row =>
        {
            double scale = InverseRms(row);
            return row.Select((value, i) => value * scale * w[i]).ToArray();
        });
    }

    private double InverseRms(ReadOnlySpan<double> row)
    {
        double sum = 0;
        foreach (double value in row)
        {
            sum += value * value;
        }
        return 1 / Math.Sqrt(sum / row.Length + shape.Eps);
    }

    private static double[] Row(float[] values, int row, int columns) => Array.ConvertAll(values[(row * columns)..((row + 1) * columns)], value => (double)value);

    private static void Add(double[][] to, double[][] values)
    {
        for (int r = 0; r < to.Length; r++)
        {
            for (int i = 0; i < to[r].Length; i++)
            {
                to[r][i] += values[r][i];
            }
        }
    }
}
