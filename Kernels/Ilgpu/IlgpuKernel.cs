using System.Reflection;

namespace Llama4Kernels.Kernels.Ilgpu;

/// <summary>A device kernel written in C#, explicitly grouped.</summary>
/// <param name="Name">Its name in PTX, lower case.</param>
/// <param name="Method">The static method ILGPU compiles.</param>
/// <param name="MaxThreads">Most threads of a group it may be launched with; PTX carries it as .maxntid.</param>
public sealed record IlgpuKernel(string Name, MethodInfo Method, int MaxThreads);

/// <summary>A parameter of a kernel; a view takes 16 bytes, the device address and the number of elements (int64).</summary>
/// <param name="Name">The C# name.</param>
/// <param name="IsView">A view, not a scalar.</param>
/// <param name="Bytes">Its size: 4, 8 or 16. Every parameter is aligned to the size of its parts.</param>
public readonly record struct IlgpuArgument(string Name, bool IsView, int Bytes);

/// <summary>A compiled kernel.</summary>
/// <param name="Name">The kernel's name.</param>
/// <param name="EntryName">The name to look up in the loaded module.</param>
/// <param name="Sm">Compute capability it is for, 90 for sm_90.</param>
/// <param name="Text">PTX; its first line is <c>// target: sm_xx</c>.</param>
/// <param name="Arguments">Parameters in order.</param>
public sealed record PtxModule(string Name, string EntryName, int Sm, string Text, IReadOnlyList<IlgpuArgument> Arguments);
