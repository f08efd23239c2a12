using System.Numerics;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>
/// createpolicy: a policy changes nothing but speed. Its value has what is known of the hardware's encoding: the priority in
/// bits 57 and 58, sixteenths of the fraction, less one, in bits 52 to 55.
/// </summary>
/// <param name="d">The result.</param>
/// <param name="primary">Priority of the fraction, as the opcode names it.</param>
/// <param name="fraction">The fraction, or -1 for all.</param>
/// <param name="primarySize">Bytes of the primary range, or -1.</param>
/// <param name="totalSize">Bytes of the whole range, or -1.</param>
internal sealed unsafe class CreatePolicyStep(int d, string primary, int fraction, int primarySize = -1, int totalSize = -1) : Step
{
    private const ulong Policy = 0x1000_0000_0000_0000;

    public override void Execute(Warp warp)
    {
        ulong priority = primary switch { "L2::evict_first" => 1ul << 57, "L2::evict_last" => 2ul << 57, _ => 0 };
        var results = (ulong*)(warp.Registers + d);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong sixteenths = priority == 0 ? 0 : 15ul;
            if (fraction >= 0)
            {
                float share = ((float*)(warp.Registers + fraction))[lane];
                if (!(share > 0 && share <= 1))
                {
                    throw warp.Finding(PtxFindingKind.Trap, lane, $"{Opcode}: the fraction {share} is not above 0 and at most 1.");
                }
                sixteenths = priority == 0 ? 0 : (ulong)Math.Max(0, MathF.Round(share * 16) - 1);
            }
            if (primarySize >= 0)
            {
                uint first = ((uint*)(warp.Registers + primarySize))[lane], all = ((uint*)(warp.Registers + totalSize))[lane];
                if (first > all)
                {
                    throw warp.Finding(PtxFindingKind.Trap, lane, $"{Opcode}: the primary range of {first} bytes is larger than the whole of {all}.");
                }
            }
            results[lane] = Policy | priority | sixteenths << 52;
        }
    }

    /// <summary>Whether a value can be a policy.</summary>
    public static bool IsPolicy(ulong value) => value >> 60 == 1;
}

/// <summary>An access with a cache policy as its last operand: what is no policy is undefined.</summary>
internal sealed unsafe class PolicyStep(Step access, int policy) : Step
{
    public override void Execute(Warp warp)
    {
        var policies = (ulong*)(warp.Registers + policy);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (!CreatePolicyStep.IsPolicy(policies[lane]))
            {
                throw warp.Finding(PtxFindingKind.Trap, lane, $"{Opcode}: 0x{policies[lane]:x} is no cache policy.");
            }
        }
        access.Execute(warp);
    }
}
