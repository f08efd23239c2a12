using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Barriers and fences.</content>
internal sealed partial class Decoder
{
    private Step Synchronisation(Form form)
    {
        Step step = form.Name switch
        {
            "bar" or "barrier" => Barrier(form),
            "membar" or "fence" => Fence(form),
            "griddepcontrol" => form.TakeAny("wait", "launch_dependents") switch
            {
                "wait" => new GridWaitStep(),
                "launch_dependents" => new LaunchDependentsStep(),
                _ => throw form.Unknown(),
            },
            _ => Hint(form),
        };
        step.Pipe = Pipe.Control;
        return step;
    }

    /// <summary>nanosleep and pmevent.</summary>
    private static NoOperation Hint(Form form)
    {
        form.Take("mask");
        return new NoOperation();
    }

    private static FenceStep Fence(Form form)
    {
        // Two addresses of one place are always the same memory here.
        if (form.Take("alias"))
        {
            form.Take("proxy");
        }
        form.TakeAny("sc", "acq_rel", "acquire", "release");
        form.TakeAny("cta", "cluster", "gpu", "sys", "gl");
        return new FenceStep();
    }

    private Step Barrier(Form form)
    {
        if (form.Take("warp"))
        {
            form.Take("sync");
            return new WarpBarrierStep(R(form, 0, 32));
        }
        form.Take("cta");
        bool aligned = form.Name == "bar" || form.Take("aligned");
        form.Take("aligned");
        switch (form.TakeAny("sync", "arrive", "red"))
        {
            case "sync":
                return new BarrierStep(R(form, 0, 32), form.Operands.Count > 1 ? R(form, 1, 32) : -1, aligned, waits: true);
            case "arrive":
                return new BarrierStep(R(form, 0, 32), R(form, 1, 32), aligned, waits: false);
            case "red":
                break;
            default:
                throw form.Unknown();
        }
        string operation = form.TakeAny("popc", "and", "or");
        int last = form.Operands.Count - 1;
        PtxOperand predicate = form.Operands[last];
        int p = Read(predicate, 1).Offset;
        int id = R(form, 1, 32);
        int count = last == 3 ? R(form, 2, 32) : -1;
        Slot d = Write(form.Operands[0], operation == "popc" ? 32 : 1);
        return new BarrierReductionStep(operation, d, id, count, p, predicate.Negated, aligned);
    }

    private Step MemoryBarrier(Form form)
    {
        string operation = form.TakeAny("init", "inval", "arrive", "arrive_drop", "test_wait", "pending_count");
        bool complete = !form.Take("noComplete");
        form.TakeAny("release", "acquire", "relaxed");
        form.Take("cta");
        if (operation == "pending_count")
        {
            int state = R(form, 1, 64);
            return new Lane1<uint, ulong>(W(form), state, MemoryBarriers.PendingOf);
        }
        Space space = TakeSpace(form);
        bool hasResult = operation is "arrive" or "arrive_drop" or "test_wait";
        Address address = AddressOf(form.Operands[hasResult ? 1 : 0], ref space);
        int next = hasResult ? 2 : 1;
        Slot? extra = form.Operands.Count > next ? Read(form.Operands[next], operation == "test_wait" && !form.Instruction.Opcode.Contains("parity") ? 64 : 32) : null;
        bool parity = form.Take("parity");
        Slot? result = hasResult ? Write(form.Operands[0], operation == "test_wait" ? 1 : 64) : null;
        function.Grain = Math.Min(function.Grain, 4);
        return new MemoryBarrierStep(operation, space, address, result, extra, complete, parity);
    }
}
