using System.Diagnostics;
using System.Reflection;
using BenchmarkDotNet.Attributes;

namespace Llama4Kernels.Benchmarks.Roofline;

/// <summary>A measured operation.</summary>
/// <param name="Name">Class, method and parameters.</param>
/// <param name="Room">The room: the folder of its benchmark.</param>
/// <param name="Work">What it has to do.</param>
/// <param name="Seconds">The best of its runs.</param>
/// <param name="Share">Of the ceiling that was measured before and after it.</param>
internal sealed record KernelRun(string Name, string Room, KernelWork Work, double Seconds, double Share);

/// <summary>Runs the benchmarks of all rooms shortly, one after the other in this process, with all combinations of their parameters.</summary>
internal static class KernelRuns
{
    private const int MostRuns = 50;

    private const double MostSeconds = 0.5;

    /// <summary>The classes that say what their operations have to do.</summary>
    public static IReadOnlyList<Type> Classes { get; } =
        [.. typeof(KernelRuns).Assembly.GetTypes().Where(type => type.IsAssignableTo(typeof(IKernelBenchmark)) && !type.IsAbstract && !type.IsInterface).OrderBy(type => type.FullName, StringComparer.Ordinal)];

    /// <summary>Runs them, those whose names contain a text.</summary>
    public static IEnumerable<KernelRun> Measure(string only) =>
        from type in Classes
        from parameters in Combinations(type)
        from run in Measure(type, parameters, only)
        select run;

    /// <summary>Sets parameters of a benchmark.</summary>
    public static void Set(object benchmark, IEnumerable<(string Name, object? Value)> parameters)
    {
        foreach ((string name, object? value) in parameters)
        {
            benchmark.GetType().GetProperty(name)!.SetValue(benchmark, value);
        }
    }

    private static IEnumerable<KernelRun> Measure(Type type, (string Name, object? Value)[] parameters, string only)
    {
        string room = type.Namespace!.Split('.')[^1], suffix = string.Join(", ", parameters.Select(parameter => $"{parameter.Value}"));
        (MethodInfo Method, string Name)[] methods =
        [
            .. type.GetMethods().Where(method => method.GetCustomAttribute<BenchmarkAttribute>() is not null)
                .Select(method => (method, suffix.Length == 0 ? method.Name : $"{method.Name} ({suffix})"))
                // Scalar forms are for what no vector form runs on, and take minutes.
                .Where(item => item.Item2.Contains(only, StringComparison.OrdinalIgnoreCase) && !item.Item2.Contains("_scalar", StringComparison.Ordinal)),
        ];
        if (methods.Length == 0)
        {
            yield break;
        }
        object benchmark = Activator.CreateInstance(type)!;
        Set(benchmark, parameters);
        Invoke<GlobalSetupAttribute>(benchmark);
        try
        {
            foreach ((MethodInfo method, string name) in methods)
            {
                Action run = method.ReturnType == typeof(void) ? method.CreateDelegate<Action>(benchmark) : () => method.Invoke(benchmark, null);
                KernelWork work = ((IKernelBenchmark)benchmark).Work(method.Name);
                // The speed of a shared machine's memory changes within minutes.
                MachineCeilings machine = MachineCeilings.Measure();
                double seconds = Best(run);
                yield return new KernelRun(name, room, work, seconds, work.LeastSeconds(machine.Best(MachineCeilings.Measure())) / seconds);
            }
        }
        finally
        {
            Invoke<GlobalCleanupAttribute>(benchmark);
        }
    }

    private static double Best(Action run)
    {
        // Compiled and warm; what takes long is so by itself.
        double best = Once(run), all = best;
        if (best < MostSeconds)
        {
            best = Once(run);
        }
        for (int i = 0; i < MostRuns && all < MostSeconds; i++)
        {
            // Short ones together, so that the clock is not what is measured.
            int calls = best < 20e-6 ? (int)(20e-6 / best) + 1 : 1;
            long start = Stopwatch.GetTimestamp();
            for (int call = 0; call < calls; call++)
            {
                run();
            }
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            all += seconds;
            best = Math.Min(best, seconds / calls);
        }
        return best;
    }

    private static double Once(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Invoke<T>(object benchmark) where T : Attribute =>
        benchmark.GetType().GetMethods().FirstOrDefault(method => method.GetCustomAttribute<T>() is not null)?.Invoke(benchmark, null);

    private static IEnumerable<(string Name, object? Value)[]> Combinations(Type type)
    {
        IEnumerable<(string Name, object? Value)[]> all = [[]];
        foreach (PropertyInfo property in type.GetProperties())
        {
            object?[]? values = property.GetCustomAttribute<ParamsAttribute>()?.Values
                ?? (property.GetCustomAttribute<ParamsSourceAttribute>() is { } source ? [.. ((IEnumerable<object?>)type.GetProperty(source.Name)!.GetValue(null)!)] : null);
            if (values is not null)
            {
                all = [.. from chosen in all from value in values select ((string, object?)[])[.. chosen, (property.Name, value)]];
            }
        }
        return all;
    }
}
