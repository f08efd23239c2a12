using System.Reflection;

namespace Llama4Kernels.Kernels.Ilgpu;

/// <summary>A device kernel written in C#, explicitly grouped.</summary>
/// <param name="Name">Its name in PTX, lower case.</param>
/// <param name="Method">The static method ILGPU compiles.</param>
/// <param name="MaxThreads">Most threads of a group it may be launched with; PTX carries it as .maxntid.</param>
public sealed record IlgpuKernel(string Name, MethodInfo Method, int MaxThreads);
