using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>Counts what a compilation has used and stops it at the limits.</summary>
internal sealed class ConstraintBudget
{
    private readonly long _deadline;
    private readonly long _mostAllocated;

    private long _states;
    private long _alternatives;
    private long _expressions;
    private long _ticks;

    /// <summary>Begins now, on the thread that compiles.</summary>
    public ConstraintBudget(ConstraintLimits limits)
    {
        Limits = limits;
        _deadline = limits.MaxCompileTime == TimeSpan.MaxValue
            ? long.MaxValue
            : Stopwatch.GetTimestamp() + (long)(limits.MaxCompileTime.TotalSeconds * Stopwatch.Frequency);
        _mostAllocated = limits.MaxCompileBytes == long.MaxValue
            ? long.MaxValue
            : GC.GetAllocatedBytesForCurrentThread() + limits.MaxCompileBytes;
    }

    private ConstraintBudget(ConstraintBudget whole, int maxStates, TimeSpan maxTime)
        : this(whole.Limits with { MaxStates = maxStates, MaxCompileTime = maxTime })
    {
        _deadline = Math.Min(_deadline, whole._deadline);
        _mostAllocated = whole._mostAllocated;
        Subject = whole.Subject;
    }

    public ConstraintLimits Limits { get; }

    /// <summary>The keyword being compiled and its place, for errors.</summary>
    public (string Keyword, string Place) Subject { get; set; } = ("constraint", string.Empty);

    public static ConstraintBudget Unbounded() =>
        new(new ConstraintLimits { MaxStates = int.MaxValue, MaxAlternatives = int.MaxValue, MaxExpressions = int.MaxValue, MaxCompileTime = TimeSpan.MaxValue, MaxCompileBytes = long.MaxValue });

    /// <summary>For a part that may be left out: so many states and so much time, within the time and memory of the whole.</summary>
    public ConstraintBudget ForPart(int maxStates, TimeSpan maxTime)
    {
        CheckNow();
        return new ConstraintBudget(this, maxStates, maxTime);
    }

    public void CountStates(int count)
    {
        _states += count;
        if (_states > Limits.MaxStates)
        {
            throw Exceeded($"needs more than {Limits.MaxStates} automaton states; simplify it or raise the limit.");
        }
        CheckTime();
    }

    public void CountAlternatives(int count)
    {
        _alternatives += count;
        if (_alternatives > Limits.MaxAlternatives)
        {
            throw Exceeded($"falls into more than {Limits.MaxAlternatives} alternatives; simplify it or raise the limit.");
        }
        CheckTime();
    }

    public void CountExpression()
    {
        if (++_expressions > Limits.MaxExpressions)
        {
            throw Exceeded($"falls into more than {Limits.MaxExpressions} expressions; simplify it or raise the limit.");
        }
        CheckTime();
    }

    public ConstraintException Exceeded(string reason) => new(Subject.Keyword, Subject.Place, reason);

    /// <summary>For work that is neither states nor alternatives: time and memory.</summary>
    public void CheckTime()
    {
        if ((++_ticks & 15) == 0)
        {
            CheckNow();
        }
    }

    private void CheckNow()
    {
        if (Stopwatch.GetTimestamp() > _deadline)
        {
            throw Exceeded($"takes longer than {Limits.MaxCompileTime.TotalSeconds:0.###} s to compile; simplify it or raise the limit.");
        }
        if (_mostAllocated != long.MaxValue && GC.GetAllocatedBytesForCurrentThread() > _mostAllocated)
        {
            throw Exceeded($"takes more than {Limits.MaxCompileBytes} bytes of memory to compile; simplify it or raise the limit.");
        }
    }

    /// <summary>For work that recurs: stops before the thread's stack is used up.</summary>
    public void CheckStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Exceeded("nests too deeply; simplify it.");
        }
    }
}
