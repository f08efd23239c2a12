namespace Llama4Kernels.Cli.Shared;

/// <summary>Whoever read the output has gone, as "head" does: there is nothing left to do, and nothing is wrong.</summary>
internal sealed class OutputClosedException(Exception? inner = null) : IOException("The output was closed.", inner);
