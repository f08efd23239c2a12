namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>griddepcontrol.wait: the grids before have ended and what they wrote is visible.</summary>
internal sealed class GridWaitStep : Step
{
    public override void Execute(Warp warp)
    {
        if (warp.Block.Launch.Dependent is DependentGrid grid)
        {
            warp.WaitForGrid(this, grid);
        }
    }
}

/// <summary>griddepcontrol.launch_dependents: as far as this block goes, the next grid may start.</summary>
internal sealed class LaunchDependentsStep : Step
{
    public override void Execute(Warp warp) => warp.Block.Trigger();
}
