using System.Runtime.InteropServices;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>
/// What this comparison calls of llama.cpp's C interface, of the release that package.json pins (<c>include/llama.h</c>,
/// <c>ggml/include/ggml.h</c> and <c>ggml-backend.h</c>): structures go by value, so another release may have others.
/// </summary>
internal sealed unsafe class LlamaCpp
{
    /// <summary>The release whose structures these are.</summary>
    private const string Version = "v0.5.0";

    /// <summary>GGML_BACKEND_DEVICE_TYPE_CPU.</summary>
    private const int ProcessorDevice = 0;

    private readonly nint _llama;
    private readonly nint _ggml;

    /// <param name="folder">The folder of the shared libraries.</param>
    /// <exception cref="DirectoryNotFoundException">They are not there.</exception>
    public LlamaCpp(string folder)
    {
        string llama = Path.Combine(folder, $"libllama.{Version}.so"), ggml = Path.Combine(folder, $"libggml.{Version}.so");
        if (!File.Exists(llama) || !File.Exists(ggml))
        {
            throw new DirectoryNotFoundException($"{folder} has no libllama.{Version}.so: Benchmarks/peers/README.md says how to get it; or name the folder with --libraries.");
        }
        _ggml = NativeLibrary.Load(ggml);
        _llama = NativeLibrary.Load(llama);
        ((delegate* unmanaged<delegate* unmanaged<int, byte*, void*, void>, void*, void>)Llama("llama_log_set"))(&Ignore, null);
        nint path = Marshal.StringToCoTaskMemUTF8(folder);
        ((delegate* unmanaged<nint, void>)Ggml("ggml_backend_load_all_from_path"))(path);
        Marshal.FreeCoTaskMem(path);
        ((delegate* unmanaged<void>)Llama("llama_backend_init"))();
    }

    /// <summary>llama_model_default_params.</summary>
    public ModelParameters ModelDefaults() => ((delegate* unmanaged<ModelParameters>)Llama("llama_model_default_params"))();

    /// <summary>llama_context_default_params, whose numbers show whether the structure is the one written down here.</summary>
    /// <exception cref="InvalidOperationException">It is another one.</exception>
    public ContextParameters ContextDefaults()
    {
        ContextParameters defaults = ((delegate* unmanaged<ContextParameters>)Llama("llama_context_default_params"))();
        return defaults is { Tokens: 512, Batch: 2048, MicroBatch: 512, TypeK: 1, TypeV: 1, OffloadsKqv: 1 }
            ? defaults
            : throw new InvalidOperationException($"llama_context_params of this library is not that of {Version}; use the version that Benchmarks/peers/package.json names.");
    }

    /// <summary>llama_model_load_from_file.</summary>
    /// <exception cref="InvalidDataException">It does not load the file.</exception>
    public nint Load(string path, ModelParameters parameters)
    {
        nint text = Marshal.StringToCoTaskMemUTF8(path);
        nint model = ((delegate* unmanaged<nint, ModelParameters, nint>)Llama("llama_model_load_from_file"))(text, parameters);
        Marshal.FreeCoTaskMem(text);
        return model != 0 ? model : throw new InvalidDataException($"{path}: llama.cpp does not load it.");
    }

    /// <summary>llama_init_from_model.</summary>
    /// <exception cref="InvalidOperationException">There is no context.</exception>
    public nint CreateContext(nint model, ContextParameters parameters)
    {
        nint context = ((delegate* unmanaged<nint, ContextParameters, nint>)Llama("llama_init_from_model"))(model, parameters);
        return context != 0 ? context : throw new InvalidOperationException("llama.cpp makes no context for the model.");
    }

    /// <summary>llama_vocab_n_tokens.</summary>
    public int VocabularySize(nint model) =>
        ((delegate* unmanaged<nint, int>)Llama("llama_vocab_n_tokens"))(((delegate* unmanaged<nint, nint>)Llama("llama_model_get_vocab"))(model));

    /// <summary>A pool of threads of which each has a processor, attached to the context; without one, threads are started for each token.</summary>
    public nint AttachThreads(nint context, int threads)
    {
        ThreadPoolParameters parameters = ((delegate* unmanaged<int, ThreadPoolParameters>)Ggml("ggml_threadpool_params_default"))(threads);
        parameters.IsStrict = 1;
        for (int i = 0; i < threads; i++)
        {
            parameters.Mask[i] = 1;
        }
        nint pool = ((delegate* unmanaged<ThreadPoolParameters*, nint>)OfProcessor("ggml_threadpool_new"))(&parameters);
        ((delegate* unmanaged<nint, nint, nint, void>)Llama("llama_attach_threadpool"))(context, pool, 0);
        return pool;
    }

    /// <summary>ggml_threadpool_free.</summary>
    public void FreeThreads(nint pool) => ((delegate* unmanaged<nint, void>)OfProcessor("ggml_threadpool_free"))(pool);

    /// <summary>llama_decode, and waits for its end.</summary>
    /// <exception cref="InvalidOperationException">It fails.</exception>
    public void Decode(nint context, Batch batch)
    {
        int result = ((delegate* unmanaged<nint, Batch, int>)Llama("llama_decode"))(context, batch);
        if (result != 0)
        {
            throw new InvalidOperationException($"llama_decode returns {result}.");
        }
        ((delegate* unmanaged<nint, void>)Llama("llama_synchronize"))(context);
    }

    /// <summary>llama_memory_clear: the sequence is empty.</summary>
    public void Clear(nint context) => ((delegate* unmanaged<nint, byte, void>)Llama("llama_memory_clear"))(((delegate* unmanaged<nint, nint>)Llama("llama_get_memory"))(context), 1);

    /// <summary>llama_free and llama_model_free.</summary>
    public void Free(nint model, nint context)
    {
        ((delegate* unmanaged<nint, void>)Llama("llama_free"))(context);
        ((delegate* unmanaged<nint, void>)Llama("llama_model_free"))(model);
    }

    [UnmanagedCallersOnly]
    private static void Ignore(int level, byte* text, void* user)
    {
    }

    private nint Llama(string name) => NativeLibrary.GetExport(_llama, name);

    // What libggml does not export itself lies in the library that it stands on.
    private nint Ggml(string name) => NativeLibrary.TryGetExport(_ggml, name, out nint address) ? address : NativeLibrary.GetExport(_llama, name);

    /// <summary>A function of the variant for this processor that llama.cpp chose.</summary>
    private nint OfProcessor(string name)
    {
        nint device = ((delegate* unmanaged<int, nint>)Ggml("ggml_backend_dev_by_type"))(ProcessorDevice);
        nint registry = ((delegate* unmanaged<nint, nint>)Ggml("ggml_backend_dev_backend_reg"))(device);
        nint text = Marshal.StringToCoTaskMemUTF8(name);
        nint address = ((delegate* unmanaged<nint, nint, nint>)Ggml("ggml_backend_reg_get_proc_address"))(registry, text);
        Marshal.FreeCoTaskMem(text);
        return address != 0 ? address : throw new EntryPointNotFoundException($"llama.cpp's library for this processor has no {name}.");
    }

    /// <summary>llama_model_params.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ModelParameters
    {
        private readonly nint _devices, _overrides;
        public int DeviceLayers;
        private readonly int _split, _load, _lazy, _device;
        private readonly nint _parts, _progress, _progressData, _keys;
        private readonly byte _vocabularyOnly, _checks, _extraBuffers, _noHost, _noAllocation, _loadMtp;
    }

    /// <summary>llama_context_params.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ContextParameters
    {
        public uint Tokens, Batch, MicroBatch;
        private readonly uint _sequences, _snapshots, _outputs, _outputsOfSequence;
        public int Threads, BatchThreads;
        private readonly int _kind, _ropeScaling, _pooling, _attention, _flashAttention;
        private readonly float _ropeBase, _ropeScale, _yarnMix, _yarnMagnitude, _yarnFast, _yarnSlow;
        private readonly uint _yarnContext;
        private readonly float _defragmentation;
        private readonly nint _evaluated, _evaluatedData;
        public int TypeK, TypeV;
        private readonly nint _abort, _abortData;
        private readonly byte _embeddings;
        public byte OffloadsKqv, IsUntimed;
        private readonly byte _offloadsOperations, _fullWindow, _unified;
        private readonly nint _samplers, _samplerCount, _other;
    }

    /// <summary>llama_batch: everything points at what the caller keeps.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Batch
    {
        public int Count;
        public int* Tokens;
        public float* Embeddings;
        public int* Positions, SequenceCounts;
        public int** Sequences;
        public sbyte* WantsLogits;
    }

    /// <summary>ggml_threadpool_params.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ThreadPoolParameters
    {
        public fixed byte Mask[512];
        private readonly int _threads, _priority;
        private readonly uint _polling;
        public byte IsStrict;
        private readonly byte _isPaused;
    }
}
