using BenchmarkDotNet.Running;
using Llama4Kernels.Benchmarks.Quick;

// "--quick matmul" prints shares of the machine's limits in under a minute; anything else goes to BenchmarkDotNet.
if (args is ["--quick", "matmul", ..])
{
    MatMulQuick.Run();
    return 0;
}
if (args is ["--quick", ..])
{
    Console.Error.WriteLine("Quick benchmarks: matmul");
    return 2;
}
BenchmarkSwitcher.FromAssembly(typeof(MatMulQuick).Assembly).Run(args);
return 0;
