using System.Numerics;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>An argument or a result at one side of a call: a variable in parameter space or a register.</summary>
internal readonly record struct CallPart(VariableSymbol? Variable, Slot? Register);

/// <summary>call: arguments in the caller's frame are copied into the callee's.</summary>
internal sealed unsafe class CallStep(Func<ulong, PtxFunction?> callee, int pointer, CallPart[] from, CallPart[] to) : Step
{
    public override void Execute(Warp warp)
    {
        ulong address = 0;
        uint mask = warp.Mask;
        if (pointer >= 0)
        {
            // Lanes that call the same function go first; the others come back to this instruction.
            int first = BitOperations.TrailingZeroCount(mask);
            var addresses = (ulong*)(warp.Registers + pointer);
            address = addresses[first];
            uint same = 0;
            for (int lane = first; lane < 32; lane++)
            {
                same |= (mask >> lane & 1) != 0 && addresses[lane] == address ? 1u << lane : 0;
            }
            if (same != mask)
            {
                if (Uniform)
                {
                    throw warp.NotUniform("call different functions");
                }
                warp.Split([(Pc, same), (Pc, mask & ~same), (Pc + 1, warp.FragmentMask & ~mask)], Pc + 1);
                return;
            }
        }
        if (callee(address) is not PtxFunction function)
        {
            throw warp.Finding(PtxFindingKind.OutOfBounds, $"call of 0x{address:x}, which is no function.");
        }
        FunctionSymbol symbol = function.Symbol;
        if (symbol.Arguments.Count != from.Length || symbol.Results.Count != to.Length)
        {
            throw warp.Finding(PtxFindingKind.Trap, $"{symbol.Name} takes {symbol.Arguments.Count} arguments and gives {symbol.Results.Count} results.");
        }
        Frame caller = warp.Frame;
        LocalMemory local = warp.Local;
        warp.Call(function, frame =>
        {
            for (int i = 0; i < from.Length; i++)
            {
                Copy(local, mask, caller, from[i], frame, new CallPart(symbol.Arguments[i] as VariableSymbol, function.ArgumentSlots[i]));
            }
            frame.GiveResults = returning =>
            {
                for (int i = 0; i < to.Length; i++)
                {
                    Copy(local, returning, frame, new CallPart(symbol.Results[i] as VariableSymbol, function.ResultSlots[i]), caller, to[i]);
                }
            };
        });
    }

    private static void Copy(LocalMemory local, uint mask, Frame source, CallPart from, Frame target, CallPart to)
    {
        if (from.Variable is VariableSymbol inner && to.Variable is VariableSymbol outer)
        {
            local.Copy(mask, source.LocalBase + inner.Offset, target.LocalBase + outer.Offset, Math.Min(inner.Size, outer.Size));
            return;
        }
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            UInt128 value = from.Variable is VariableSymbol variable
                ? FromLocal(local, lane, source.LocalBase + variable.Offset, (int)variable.Size)
                : FromRegister(source.Registers, from.Register!.Value, lane);
            if (to.Variable is VariableSymbol stored)
            {
                long at = target.LocalBase + stored.Offset;
                int bytes = (int)Math.Min(stored.Size, sizeof(UInt128));
                Buffer.MemoryCopy(&value, local.Address(lane, at), bytes, bytes);
                new Span<byte>(local.Defined(lane, at), bytes).Fill(1);
                continue;
            }
            ToRegister(target.Registers, to.Register!.Value, lane, value);
        }
    }

    private static UInt128 FromLocal(LocalMemory local, int lane, long at, int bytes)
    {
        UInt128 value = 0;
        bytes = Math.Min(bytes, sizeof(UInt128));
        Buffer.MemoryCopy(local.Address(lane, at), &value, bytes, bytes);
        return value;
    }

    private static UInt128 FromRegister(byte* registers, Slot slot, int lane) => slot.Bits switch
    {
        1 => *(uint*)(registers + slot.Offset) >> lane & 1,
        128 => new UInt128(((ulong*)(registers + slot.Offset))[lane + 32], ((ulong*)(registers + slot.Offset))[lane]),
        _ => LaneWords.Load(registers, slot, lane),
    };

    private static void ToRegister(byte* registers, Slot slot, int lane, UInt128 value)
    {
        if (slot.Bits == 1)
        {
            var predicates = (uint*)(registers + slot.Offset);
            *predicates = (*predicates & ~(1u << lane)) | (uint)(value & 1) << lane;
            return;
        }
        LaneWords.Store(registers, slot, lane, (ulong)value);
        if (slot.Bits == 128)
        {
            ((ulong*)(registers + slot.Offset))[lane + 32] = (ulong)(value >> 64);
        }
    }
}

/// <summary>ret.</summary>
internal sealed class Return : Step
{
    public override void Execute(Warp warp)
    {
        uint mask = warp.Mask;
        warp.Return((inner, _) => inner.GiveResults?.Invoke(mask));
    }
}
