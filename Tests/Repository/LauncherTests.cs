using System.Reflection;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// The host's and a device's form of an operation are two types behind its contract, so that a program that runs on the host
/// ships no launcher: a trimmer, which follows the same references as this, leaves them out.
/// </summary>
public class LauncherTests
{
    private static readonly Assembly s_kernels = typeof(CpuBackend).Assembly;

    [Fact]
    public void NothingThatTheHostsBackendReachesLaunches()
    {
        HashSet<Type> reached = Reached(typeof(CpuBackend));
        Assert.Contains(reached, type => type.Name == "RmsNorm");
        Assert.Contains(reached, type => type.Name == "AffineProduct");
        string[] launchers = [.. reached.Where(IsOfDevices).Select(type => type.FullName!).Order()];
        Assert.True(launchers.Length == 0, "A host ships " + string.Join(", ", launchers));
    }

    /// <summary>So that the rule above cannot pass because it finds nothing.</summary>
    [Fact]
    public void TheDevicesBackendReachesEveryLauncher()
    {
        HashSet<Type> reached = Reached(typeof(CudaBackend));
        Type[] launchers = [.. Launchers];
        Assert.True(launchers.Length > 15);
        Assert.All(launchers, launcher => Assert.Contains(launcher, reached));
    }

    [Fact]
    public void AnOperationsFormsAreTypesOfTheirOwn()
    {
        Assert.All(Launchers.Where(type => type.Namespace != typeof(CudaBackend).Namespace), launcher =>
        {
            Assert.EndsWith("Cuda", launcher.Name);
            Type? contract = s_kernels.GetType($"{launcher.Namespace}.{launcher.Name[..^"Cuda".Length]}");
            Assert.True(contract is not null, $"{launcher.Name} has no contract beside it.");
            Assert.DoesNotContain(contract.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic), method => Takes(method, typeof(CudaQueue)));
        });
        Assert.All(Launchers, launcher => Assert.DoesNotContain(
            launcher.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic), method => Takes(method, typeof(ThreadTeam))));
    }

    /// <summary>Operations on a device: static classes with a Run that takes a queue.</summary>
    private static IEnumerable<Type> Launchers => s_kernels.GetTypes().Where(type =>
        type is { IsAbstract: true, IsSealed: true } && type.GetMethods(BindingFlags.Static | BindingFlags.Public).Any(method => method.Name == "Run" && Takes(method, typeof(CudaQueue))));

    private static bool Takes(MethodInfo method, Type parameter) => method.GetParameters().Any(each => each.ParameterType == parameter);

    private static bool IsOfDevices(Type type) =>
        type.Namespace is string space && (space.StartsWith("Llama4Kernels.Interop.Cuda", StringComparison.Ordinal) || space.StartsWith("Llama4Kernels.Kernels.Contracts.Cuda", StringComparison.Ordinal)
            || space.StartsWith("Llama4Kernels.Kernels.Backends.Cuda", StringComparison.Ordinal) || space.StartsWith("Llama4Kernels.Kernels.Ptx", StringComparison.Ordinal)
            || type.Name.Contains("Cuda", StringComparison.Ordinal));

    /// <summary>Types of this project that code of a type leads to, through members, signatures and bodies.</summary>
    private static HashSet<Type> Reached(Type root)
    {
        HashSet<Type> reached = [];
        Queue<Type> open = new();
        Add(root);
        while (open.TryDequeue(out Type? type))
        {
            const BindingFlags All = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            Add(type.BaseType);
            Array.ForEach(type.GetFields(All), field => Add(field.FieldType));
            foreach (MethodBase method in type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All)))
            {
                Array.ForEach(method.GetParameters(), parameter => Add(parameter.ParameterType));
                Add((method as MethodInfo)?.ReturnType);
                foreach (MemberInfo member in CodeReferences.Of(method))
                {
                    Add(member as Type ?? member.DeclaringType);
                    Array.ForEach((member as MethodInfo)?.GetGenericArguments() ?? [], Add);
                }
            }
        }
        return reached;

        void Add(Type? type)
        {
            for (; type is { HasElementType: true }; type = type.GetElementType())
            {
            }
            if (type is null || type.IsGenericParameter)
            {
                return;
            }
            Array.ForEach(type.GetGenericArguments(), Add);
            Type definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
            if (definition.Assembly.GetName().Name!.StartsWith("Llama4Kernels", StringComparison.Ordinal) && reached.Add(definition))
            {
                open.Enqueue(definition);
            }
        }
    }
}
