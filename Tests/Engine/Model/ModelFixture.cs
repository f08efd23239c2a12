using System.Collections.Concurrent;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Loads each checkpoint once for all tests; tests that use one model run in turn.</summary>
public sealed class ModelFixture : IDisposable
{
    private readonly ConcurrentDictionary<(string, ModelOptions), Llama4Model> _models = new();

    public Llama4Model Get(string name, ModelOptions? options = null) =>
        _models.GetOrAdd((name, options ?? new ModelOptions()), key => Llama4Model.Load(Folder(key.Item1), key.Item2));

    public static string Folder(string name) => name == "nano" ? GoldenFiles.SampleModel : GoldenFiles.Path(name);

    public void Dispose()
    {
        foreach (Llama4Model model in _models.Values)
        {
            model.Dispose();
        }
    }
}

[CollectionDefinition(nameof(ModelCollection))]
public sealed class ModelCollection : ICollectionFixture<ModelFixture>;
