using System.Security.Cryptography;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>
/// A counter-based random generator (Philox 4x32, 10 rounds): draw n depends on the seed and n alone. A sequence owns one,
/// so that its text is the same whatever else is in the batch, and can be resumed at any <see cref="Position"/>.
/// </summary>
internal struct SeededRandom
{
    private const uint MultiplierA = 0xD2511F53;
    private const uint MultiplierB = 0xCD9E8D57;
    private const uint WeylA = 0x9E3779B9;
    private const uint WeylB = 0xBB67AE85;
    private const int Rounds = 10;

    private readonly ulong _seed;

    /// <summary>Starts at draw <paramref name="position"/> of the stream that <paramref name="seed"/> names.</summary>
    public SeededRandom(ulong seed, ulong position = 0)
    {
        _seed = seed;
        Position = position;
    }

    /// <summary>The number of draws made so far.</summary>
    public ulong Position { readonly get; private set; }

    /// <summary>The stream of <paramref name="seed"/>, or one that nobody can foresee when it is null.</summary>
    public static SeededRandom Create(ulong? seed) =>
        new(seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))));

    /// <summary>The next number, uniform in [0, 1), with 53 random bits.</summary>
    public double NextDouble()
    {
        (uint x0, uint x1, _, _) = Block((uint)Position, (uint)(Position >> 32), 0, 0, (uint)_seed, (uint)(_seed >> 32));
        Position++;
        return ((((ulong)x1 << 32) | x0) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>One Philox block: a bijection of the counter c, chosen by the key k.</summary>
    internal static (uint X0, uint X1, uint X2, uint X3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < Rounds; round++)
        {
            ulong a = (ulong)MultiplierA * c0;
            ulong b = (ulong)MultiplierB * c2;
            (c0, c1, c2, c3) = ((uint)(b >> 32) ^ c1 ^ k0, (uint)b, (uint)(a >> 32) ^ c3 ^ k1, (uint)a);
            k0 += WeylA;
            k1 += WeylB;
        }
        return (c0, c1, c2, c3);
    }
}
