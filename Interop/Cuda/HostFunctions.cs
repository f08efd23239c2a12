using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>
/// What one stream's host functions left behind, and the way from the driver to them. The driver gets a number, no
/// reference: a number that is no longer known, as after a fault that made the driver drop its work, does no harm.
/// </summary>
internal sealed unsafe class HostFunctions
{
    private static readonly ConcurrentDictionary<nint, (HostFunctions Owner, Action Function)> s_waiting = new();
    private static long s_last;

    private readonly ConcurrentQueue<Exception> _errors = new();

    /// <summary>What the driver shall call, with a number of <see cref="Add"/>.</summary>
    public static delegate* unmanaged<nint, void> EntryPoint => &Run;

    public nint Add(Action function)
    {
        var number = (nint)Interlocked.Increment(ref s_last);
        s_waiting[number] = (this, function);
        return number;
    }

    public static void Forget(nint number) => s_waiting.TryRemove(number, out _);

    /// <summary>Drops what did not begin.</summary>
    public void ForgetAll()
    {
        foreach ((nint number, (HostFunctions owner, _)) in s_waiting)
        {
            if (owner == this)
            {
                Forget(number);
            }
        }
    }

    /// <summary>Throws what functions threw, once.</summary>
    public void Rethrow()
    {
        List<Exception> errors = [];
        while (_errors.TryDequeue(out Exception? error))
        {
            errors.Add(error);
        }
        if (errors.Count == 1)
        {
            ExceptionDispatchInfo.Throw(errors[0]);
        }
        if (errors.Count > 1)
        {
            throw new AggregateException("Several host functions of the stream failed.", errors);
        }
    }

    [UnmanagedCallersOnly]
    private static void Run(nint number)
    {
        if (!s_waiting.TryRemove(number, out (HostFunctions Owner, Action Function) call))
        {
            return;
        }
        try
        {
            call.Function();
        }
        catch (Exception error)
        {
            // Nothing may be thrown into the driver's thread: whoever waits for the stream gets it, whatever it is.
            call.Owner._errors.Enqueue(error);
        }
    }
}
