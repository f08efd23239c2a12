using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Instructions at which lanes or warps wait for each other.</content>
internal sealed unsafe partial class Warp
{
    /// <summary>Values that lanes hand to a warp-wide instruction.</summary>
    public ulong[] Exchange { get; } = new ulong[32];

    /// <summary>
    /// The active lanes have put their values into <see cref="Exchange"/>. True if all named lanes that live are here; if not,
    /// the fragment waits, and the instruction is completed when the last one comes.
    /// </summary>
    public bool Gather(Collective step, uint named)
    {
        uint mask = Mask;
        if ((mask & ~named) != 0)
        {
            throw Finding(PtxFindingKind.Divergence, $"{step.Opcode}: active lanes {mask:x8} are not all named by the mask {named:x8}.");
        }
        if (mask == (named & Alive))
        {
            return true;
        }
        Fragment fragment = Stop(step, FragmentState.Lanes);
        fragment.Named = named;
        Complete(step, named);
        return false;
    }

    /// <summary>The active lanes wait; those that the guard keeps out go on behind the instruction.</summary>
    private Fragment Stop(Step step, FragmentState state)
    {
        Fragment fragment = _current;
        if (Mask != fragment.Mask)
        {
            int reconvergence = step.Pc + 1;
            Join? join = reconvergence == _reconvergePc ? fragment.Join : new Join(reconvergence, fragment.Frame, fragment.Mask, fragment.Join, isCall: false);
            _fragments.Add(new Fragment(fragment.Frame, reconvergence, fragment.Mask & ~Mask, join));
            fragment.Join = join;
            fragment.Mask = Mask;
        }
        fragment.Pc = Pc;
        fragment.State = state;
        fragment.Waiting = step;
        _stop = true;
        return fragment;
    }

    private void Complete(Collective step, uint named)
    {
        uint present = 0;
        foreach (Fragment fragment in _fragments)
        {
            present |= Matches(fragment, step, named) ? fragment.Mask : 0;
        }
        if (present != (named & Alive))
        {
            return;
        }
        foreach (Fragment fragment in _fragments.Where(f => Matches(f, step, named)).ToList())
        {
            var waiting = (Collective)fragment.Waiting!;
            Registers = fragment.Frame.Registers;
            Mask = fragment.Mask;
            Running = waiting;
            waiting.Complete(this, present);
            Wake(fragment);
        }
        Registers = _current.Frame.Registers;
    }

    private static bool Matches(Fragment fragment, Collective step, uint named) =>
        fragment.State == FragmentState.Lanes && fragment.Named == named && fragment.Waiting!.Opcode == step.Opcode;

    /// <summary>Lanes that exited may have been the last ones that others waited for.</summary>
    private void Recheck()
    {
        foreach (Fragment fragment in _fragments.Where(f => f.State == FragmentState.Lanes).ToList())
        {
            if (fragment.State == FragmentState.Lanes)
            {
                Complete((Collective)fragment.Waiting!, fragment.Named);
            }
        }
    }

    private static void Wake(Fragment fragment)
    {
        fragment.State = FragmentState.Ready;
        fragment.Waiting = null;
    }

    /// <summary>All lanes of the warp that live must be active here together.</summary>
    public void RequireConverged()
    {
        if (Mask != Alive)
        {
            throw Finding(PtxFindingKind.Divergence, $"{Running.Opcode}: only lanes {Mask:x8} of {Alive:x8} execute it together.");
        }
    }

    /// <summary>The active lanes wait at a barrier of the block.</summary>
    public Fragment WaitAtBarrier(Step step) => Stop(step, FragmentState.Barrier);

    /// <summary>Lanes that are ordered behind the grids before.</summary>
    private uint BehindGrid { get; set; }

    /// <summary>Whether lanes wait for the grids before.</summary>
    public bool WaitsForGrid { get; private set; }

    /// <summary>The active lanes go on when the grids before have ended.</summary>
    public void WaitForGrid(Step step, DependentGrid grid)
    {
        if (grid.MayPass)
        {
            PassGrid(grid, Mask);
            return;
        }
        Stop(step, FragmentState.Grid);
        WaitsForGrid = true;
    }

    /// <summary>The grids before have ended.</summary>
    public void WakeBehindGrid(DependentGrid grid)
    {
        foreach (Fragment fragment in _fragments.Where(fragment => fragment.State == FragmentState.Grid))
        {
            PassGrid(grid, fragment.Mask);
            Wake(fragment);
        }
        WaitsForGrid = false;
    }

    /// <summary>Whether a lane, or another thread of the block that it is ordered behind, has waited for the grids before.</summary>
    public bool IsBehindGridWait(int lane)
    {
        if ((BehindGrid >> lane & 1) == 0 && Block.Shadow.IsBehindGridWait(this))
        {
            BehindGrid = ~0u;
        }
        return (BehindGrid >> lane & 1) != 0;
    }

    private void PassGrid(DependentGrid grid, uint lanes)
    {
        grid.Waited();
        BehindGrid |= lanes;
        Block.Shadow.PassGrid(this);
    }

    /// <summary>The barrier opened.</summary>
    public void Wake(Fragment fragment, Action<Warp, uint>? complete)
    {
        if (complete is not null)
        {
            byte* registers = Registers;
            uint mask = Mask;
            Registers = fragment.Frame.Registers;
            Mask = fragment.Mask;
            complete(this, fragment.Mask);
            Registers = registers;
            Mask = mask;
        }
        _spinning = 0;
        Wake(fragment);
    }
}

/// <summary>An instruction that lanes of a warp execute together.</summary>
internal abstract class Collective : Step
{
    /// <summary>The lanes that take part, as the active lanes say.</summary>
    public abstract uint Named(Warp warp);

    /// <summary>Puts the active lanes' values into the exchange.</summary>
    public abstract void Deposit(Warp warp);

    /// <summary>Gives the active lanes their results; <paramref name="present"/> are all that took part.</summary>
    public abstract void Complete(Warp warp, uint present);

    public sealed override void Execute(Warp warp)
    {
        uint named = Named(warp);
        Deposit(warp);
        if (warp.Gather(this, named))
        {
            Complete(warp, warp.Mask);
        }
    }
}
