using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Sampling;

/// <summary><see cref="TokenDraw"/> on a device: a group per row in each step, and only the steps that some row needs.</summary>
internal static class TokenDrawCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("TryDraw", "temperature", "a group per row, if one has a temperature"),
        new("TryDraw", "keep_top_k", "a group per row, if one has a top-k"),
        new("TryDraw", "softmax_sums", "before top_p and min_p: a group per row"),
        new("TryDraw", "top_p", "a group per row, if one has a top-p"),
        new("TryDraw", "min_p", "a group per row, if one has a min-p"),
        new("TryDraw", "draw", "a group per row"),
    ];

    // Mantissa bits of a double in [0, 1): the kernel takes the number as an integer.
    private const double UniformUnits = 1L << 53;

    // Four parameters of 4 bytes and one of 8 for each row.
    private const int ParameterBytes = 24;
    private const int Threads = 256;

    /// <summary>Bytes of working memory for so many rows: a copy of the logits, and probabilities.</summary>
    internal static long ScratchBytes(int rows, int columns) => 2L * rows * columns * sizeof(float) + rows * (2 * sizeof(float) + sizeof(int));

    /// <summary>As <see cref="TokenDraw"/>; waits for the result.</summary>
    /// <exception cref="ArgumentException">As <see cref="TokenDraw.Require"/>.</exception>
    public static void Run(CudaQueue queue, CudaScratch scratch, Tensor x, ReadOnlySpan<DrawRule> rules, Span<int> ids)
    {
        TokenDraw.Require(x, MemoryPlace.Device, rules, ids);
        int rows = x.Rows, columns = x.Columns;
        if (rows == 0)
        {
            return;
        }
        bool heats = false, limits = false, nucleus = false, ratio = false;
        Span<byte> parameters = stackalloc byte[rows <= 64 ? ParameterBytes * rows : 0];
        parameters = rows <= 64 ? parameters : new byte[ParameterBytes * rows];
        // The widest first, so that each lies where its size wants it.
        Span<long> uniforms = MemoryMarshal.Cast<byte, long>(parameters[..(8 * rows)]);
        Span<float> temperatures = Part<float>(parameters, 2, rows), topPs = Part<float>(parameters, 4, rows), minPs = Part<float>(parameters, 5, rows);
        Span<int> topKs = Part<int>(parameters, 3, rows);
        for (int row = 0; row < rows; row++)
        {
            DrawRule rule = rules[row];
            (uniforms[row], temperatures[row], topKs[row], topPs[row], minPs[row]) = ((long)(rule.Uniform * UniformUnits), rule.Temperature, rule.TopK, rule.TopP, rule.MinP);
            heats |= rule.Temperature != 1;
            limits |= rule.TopK > 0 && rule.TopK < columns;
            nucleus |= rule.TopP < 1;
            ratio |= rule.MinP > 0;
        }
        // What the steps remove stays in x: whoever reads the logits later sees all of them.
        nint copy = scratch.Require(ScratchBytes(rows, columns));
        nint probabilities = copy + (nint)x.Bytes, sums = probabilities + (nint)x.Bytes, chosen = sums + 2 * sizeof(float) * rows;
        Tensor logits = x with { Address = copy };
        nint given = queue.Put<byte>(parameters);
        queue.Copy(x.Address, copy, x.Bytes);
        if (heats)
        {
            queue.Call("temperature").View(logits).View(given + 8 * rows, rows).Value(columns).Run(new CudaDim3(rows), Threads);
        }
        if (limits)
        {
            queue.Call("keep_top_k").View(logits).View(given + 12 * rows, rows).Value(columns).Run(new CudaDim3(rows), Threads);
        }
        if (nucleus || ratio)
        {
            queue.Call("softmax_sums").View(logits).View(sums, 2 * rows).Value(columns).Run(new CudaDim3(rows), Threads);
        }
        if (nucleus)
        {
            queue.Call("top_p").View(logits).View(sums, 2 * rows).View(given + 16 * rows, rows).View(probabilities, x.Elements).Value(columns).Run(new CudaDim3(rows), Threads);
        }
        if (ratio)
        {
            queue.Call("min_p").View(logits).View(sums, 2 * rows).View(given + 20 * rows, rows).Value(columns).Run(new CudaDim3(rows), Threads);
        }
        queue.Call("draw").View(logits).View(given, rows).View(chosen, rows).Value(columns).Run(new CudaDim3(rows), Threads);
        queue.Download(chosen, MemoryMarshal.AsBytes(ids));
    }

    private static Span<T> Part<T>(Span<byte> parameters, int index, int rows)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(parameters.Slice(4 * index * rows, 4 * rows));
}
