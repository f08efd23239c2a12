using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Where an address points.</summary>
internal enum Space
{
    Global,
    Shared,
    Local,

    /// <summary>Parameters of the kernel.</summary>
    Parameter,

    /// <summary>Any of them: the window is in the upper byte of the address.</summary>
    Generic,
}

/// <summary>Windows of the generic address space. Host addresses have nothing in their upper byte.</summary>
internal static class Windows
{
    public const int Shift = 56;
    public const ulong Shared = 1ul << Shift;
    public const ulong Local = 2ul << Shift;
    public const ulong Parameter = 3ul << Shift;
    public const ulong Code = 4ul << Shift;

    public static ulong Of(Space space) => space switch
    {
        Space.Shared => Shared,
        Space.Local => Local,
        Space.Parameter => Parameter,
        _ => 0,
    };

    public static Space SpaceOf(ulong address) => (address >> Shift) switch
    {
        0 => Space.Global,
        1 => Space.Shared,
        2 => Space.Local,
        3 => Space.Parameter,
        _ => Space.Generic,
    };
}

/// <content>Checked access to memory.</content>
internal sealed unsafe partial class Warp
{
    private readonly Allocation?[] _recent = new Allocation?[8];

    /// <summary>Resolves the generic window.</summary>
    public Space Resolve(Space space, ref ulong address)
    {
        if (space != Space.Generic)
        {
            return space;
        }
        Space found = Windows.SpaceOf(address);
        address &= (1ul << Windows.Shift) - 1;
        return found;
    }

    /// <summary>Checks a read and gives its place; <paramref name="several"/> says that other lanes read the same bytes.</summary>
    public byte* Read(Space space, int lane, ulong address, int bytes, bool strong, bool several = false)
    {
        space = Resolve(space, ref address);
        switch (space)
        {
            case Space.Global:
                Allocation allocation = Global(lane, address, bytes);
                if (!allocation.IsDefined && !AllSet(allocation.Defined + ((nint)address - allocation.Start), bytes))
                {
                    throw Finding(PtxFindingKind.Uninitialised, lane, $"{Running.Opcode} reads {bytes} bytes of global memory at offset {(nint)address - allocation.Start} of an allocation of {allocation.Bytes}, which nobody wrote.");
                }
                Dependent?.Check(this, lane, allocation, (nint)address, bytes, Access.Read);
                return (byte*)address;
            case Space.Shared:
                CheckShared(lane, address, bytes);
                Block.Shadow.Read(this, lane, (int)address, bytes, strong, several);
                return Block.Shared + address;
            case Space.Local:
                CheckLocal(lane, address, bytes);
                if (!AllSet(Local.Defined(lane, (long)address), bytes))
                {
                    throw Finding(PtxFindingKind.Uninitialised, lane, $"{Running.Opcode} reads {bytes} bytes of local memory at {address}, which nobody wrote.");
                }
                return Local.Address(lane, (long)address);
            case Space.Parameter:
                Aligned(lane, address, bytes, "parameter");
                Require(lane, address, bytes, Block.Launch.Kernel.ParameterBytes, "the parameters");
                return Block.Launch.Parameters + address;
            default:
                throw Finding(PtxFindingKind.OutOfBounds, lane, $"{Running.Opcode}: 0x{address:x} is in no window.");
        }
    }

    /// <summary>Checks a write of <paramref name="value"/> and gives its place.</summary>
    public byte* Write(Space space, int lane, ulong address, ReadOnlySpan<byte> value, bool strong)
    {
        space = Resolve(space, ref address);
        int bytes = value.Length;
        switch (space)
        {
            case Space.Global:
                Allocation allocation = Global(lane, address, bytes);
                if (!allocation.IsDefined)
                {
                    new Span<byte>(allocation.Defined + ((nint)address - allocation.Start), bytes).Fill(1);
                }
                Dependent?.Check(this, lane, allocation, (nint)address, bytes, Access.Write);
                return (byte*)address;
            case Space.Shared:
                CheckShared(lane, address, bytes);
                bool same = value.SequenceEqual(new ReadOnlySpan<byte>(Block.Shared + address, bytes));
                Block.Shadow.Write(this, lane, (int)address, bytes, strong, same);
                return Block.Shared + address;
            case Space.Local:
                CheckLocal(lane, address, bytes);
                new Span<byte>(Local.Defined(lane, (long)address), bytes).Fill(1);
                return Local.Address(lane, (long)address);
            default:
                throw Finding(PtxFindingKind.OutOfBounds, lane, $"{Running.Opcode}: 0x{address:x} cannot be written.");
        }
    }

    /// <summary>The allocation that holds a range of global memory.</summary>
    public Allocation Global(int lane, ulong address, int bytes)
    {
        Aligned(lane, address, bytes, "global");
        ref Allocation? recent = ref _recent[Running.Pc & 7];
        if (recent is Allocation cached && address - (ulong)cached.Start <= (ulong)(cached.Bytes - bytes) && cached.Bytes >= bytes)
        {
            return cached;
        }
        Allocation? found = Block.Launch.Memory.Find((nint)address);
        if (found is null || address - (ulong)found.Start > (ulong)(found.Bytes - bytes) || found.Bytes < bytes)
        {
            string where = found is null ? "outside every allocation" : $"beyond the end of an allocation of {found.Bytes} bytes, at offset {(nint)address - found.Start}";
            throw Finding(PtxFindingKind.OutOfBounds, lane, $"{Running.Opcode}: {bytes} bytes at 0x{address:x} are {where}.");
        }
        recent = found;
        return found;
    }

    public void CheckShared(int lane, ulong address, int bytes)
    {
        Aligned(lane, address, bytes, "shared");
        Require(lane, address, bytes, Block.SharedBytes, "shared memory");
    }

    private void CheckLocal(int lane, ulong address, int bytes)
    {
        Aligned(lane, address, bytes, "local");
        Require(lane, address, bytes, Local.Bytes, "local memory");
    }

    private void Require(int lane, ulong address, int bytes, int limit, string what)
    {
        if (address > (ulong)limit || limit - (long)address < bytes)
        {
            throw Finding(PtxFindingKind.OutOfBounds, lane, $"{Running.Opcode}: {bytes} bytes at {address} pass the end of {what}, {limit} bytes.");
        }
    }

    private void Aligned(int lane, ulong address, int bytes, string what)
    {
        if ((address & (ulong)(bytes - 1)) != 0)
        {
            throw Finding(PtxFindingKind.Misaligned, lane, $"{Running.Opcode}: the {what} address 0x{address:x} is no multiple of {bytes}.");
        }
    }

    private static bool AllSet(byte* flags, int bytes) => new ReadOnlySpan<byte>(flags, bytes).IndexOf((byte)0) < 0;
}
