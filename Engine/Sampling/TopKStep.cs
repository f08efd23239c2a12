namespace Llama4Kernels.Engine.Sampling;

/// <summary>Keeps the tokens whose logit is at least the k-th largest; all that tie with it stay.</summary>
internal sealed class TopKStep : ISamplerStep
{
    private readonly int _k;

    /// <summary>Keeps <paramref name="k"/> tokens; a k above the vocabulary keeps all.</summary>
    /// <exception cref="ArgumentException">k is below 1.</exception>
    public TopKStep(int k)
    {
        if (k < 1)
        {
            throw new ArgumentException($"top-k must be at least 1, not {k}.", nameof(k));
        }
        _k = k;
    }

    /// <inheritdoc/>
    public void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace)
    {
        if (_k >= logits.Length)
        {
            return;
        }
        Span<float> copy = workspace.Values[..logits.Length];
        logits.CopyTo(copy);
        float threshold = KthLargest(copy, _k);
        foreach (ref float logit in logits)
        {
            if (logit < threshold)
            {
                logit = float.NegativeInfinity;
            }
        }
    }

    /// <summary>Quickselect: linear on average, also when many are equal. Reorders <paramref name="values"/>.</summary>
    private static float KthLargest(Span<float> values, int k)
    {
        int target = k - 1;
        int low = 0;
        int high = values.Length - 1;
        while (low < high)
        {
            float pivot = values[low + ((high - low) / 2)];
            int left = low - 1;
            int right = high + 1;
            while (true)
            {
                do
                {
                    left++;
                }
                while (values[left] > pivot);
                do
                {
                    right--;
                }
                while (values[right] < pivot);
                if (left >= right)
                {
                    break;
                }
                (values[left], values[right]) = (values[right], values[left]);
            }
            // Now low … right are at least the pivot and right + 1 … high at most.
            if (target <= right)
            {
                high = right;
            }
            else
            {
                low = right + 1;
            }
        }
        return values[target];
    }
}
