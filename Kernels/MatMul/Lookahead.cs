namespace Llama4Kernels.Kernels.MatMul;

/// <summary>What a tile prefetches while it reads its own blocks; only assembled tiles do.</summary>
/// <param name="Address">From where.</param>
/// <param name="Lines">Cache lines for each four that are read: 0, 1, 2 or 4.</param>
/// <param name="Near">Whether the next lines of its own stream come nearer too.</param>
internal readonly record struct Lookahead(nint Address, int Lines, bool Near);
