using System.Runtime.InteropServices;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>llama.cpp with a pool of threads that stay and have a processor each, as its own benchmark attaches.</summary>
internal sealed unsafe class LlamaCppPeer : IPeer
{
    /// <summary>Tokens of a prompt that it computes at once.</summary>
    private const int MicroBatch = 512;

    private readonly LlamaCpp _library;
    private readonly nint _model, _context, _pool;
    private readonly int* _tokens, _positions, _counts, _sequence;
    private readonly int** _sequences;
    private readonly sbyte* _wants;
    private int _length;

    /// <param name="libraries">The folder of llama.cpp's libraries.</param>
    /// <param name="path">A GGUF file.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="context">Most tokens of a sequence.</param>
    public LlamaCppPeer(string libraries, string path, int threads, int context)
    {
        _library = new LlamaCpp(libraries);
        LlamaCpp.ModelParameters model = _library.ModelDefaults();
        model.DeviceLayers = 0;
        _model = _library.Load(path, model);
        LlamaCpp.ContextParameters parameters = _library.ContextDefaults();
        (parameters.Tokens, parameters.Batch, parameters.MicroBatch) = ((uint)context, MicroBatch, MicroBatch);
        (parameters.Threads, parameters.BatchThreads, parameters.IsUntimed) = (threads, threads, 1);
        _context = _library.CreateContext(_model, parameters);
        _pool = _library.AttachThreads(_context, threads);
        // Its worker i has processor i - 1; the caller, worker 0, has the last one to itself.
        Affinity.Set(threads - 1);
        VocabularySize = _library.VocabularySize(_model);
        _tokens = (int*)NativeMemory.AllocZeroed(MicroBatch, sizeof(int));
        _positions = (int*)NativeMemory.AllocZeroed(MicroBatch, sizeof(int));
        _counts = (int*)NativeMemory.AllocZeroed(MicroBatch, sizeof(int));
        _wants = (sbyte*)NativeMemory.AllocZeroed(MicroBatch);
        _sequence = (int*)NativeMemory.AllocZeroed(sizeof(int));
        _sequences = (int**)NativeMemory.AllocZeroed(MicroBatch, (nuint)sizeof(int*));
        for (int i = 0; i < MicroBatch; i++)
        {
            _counts[i] = 1;
            _sequences[i] = _sequence;
        }
    }

    public int VocabularySize { get; }

    public void Prompt(ReadOnlySpan<int> ids)
    {
        _library.Clear(_context);
        _length = 0;
        while (ids.Length > 0)
        {
            int count = Math.Min(ids.Length, MicroBatch);
            Run(ids[..count], wantsLast: count == ids.Length);
            ids = ids[count..];
        }
    }

    public void Decode(int id) => Run([id], wantsLast: true);

    public void Dispose()
    {
        _library.Free(_model, _context);
        _library.FreeThreads(_pool);
        NativeMemory.Free(_tokens);
        NativeMemory.Free(_positions);
        NativeMemory.Free(_counts);
        NativeMemory.Free(_wants);
        NativeMemory.Free(_sequence);
        NativeMemory.Free(_sequences);
    }

    private void Run(ReadOnlySpan<int> ids, bool wantsLast)
    {
        for (int i = 0; i < ids.Length; i++)
        {
            (_tokens[i], _positions[i], _wants[i]) = (ids[i], _length + i, (sbyte)(wantsLast && i == ids.Length - 1 ? 1 : 0));
        }
        _library.Decode(_context, new LlamaCpp.Batch { Count = ids.Length, Tokens = _tokens, Positions = _positions, SequenceCounts = _counts, Sequences = _sequences, WantsLogits = _wants });
        _length += ids.Length;
    }
}
