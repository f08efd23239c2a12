using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// Who runs: takes jobs in, in the order in which they wait, when there are a slot and blocks for them, and sends them back.
/// </summary>
/// <remarks>
/// Who waits with a higher priority than some who run need not wait for these: the youngest job of the lowest priority gives way,
/// and another one, as long as that makes room; its blocks go, its tokens stay. Whoever was overtaken as often as may be gives
/// way to no priority any more, and neither does one that has the cache for itself.
/// </remarks>
/// <param name="runner">Runs the steps.</param>
/// <param name="maxOvertakes">Later jobs of higher priority that may begin before one that waits.</param>
internal sealed class Admission(StepRunner runner, int maxOvertakes)
{
    private readonly List<Job> _running = [];
    private readonly WaitingJobs _waiting = new(maxOvertakes);
    private long _preemptions;
    private long _left;

    /// <summary>Who runs; the last one gives way first.</summary>
    public List<Job> Running => _running;

    public int Waiting => _waiting.Count;

    /// <summary>How often a job gave way.</summary>
    public long Preemptions => Volatile.Read(ref _preemptions);

    /// <summary>Takes in one that came.</summary>
    public void Add(Job job) => _waiting.Add(job);

    /// <summary>Takes a job away that waits.</summary>
    public Job RemoveWaiting(int index) => _waiting.RemoveAt(index);

    /// <summary>One that waits, by its place.</summary>
    public Job this[int index] => _waiting[index];

    /// <summary>One that runs is over, or nobody wants it any more.</summary>
    public void Leave(Job job)
    {
        _running.Remove(job);
        _left++;
    }

    /// <summary>Lets begin whom there is room for, and tells the others their places.</summary>
    /// <param name="finish">What becomes of a job that ends as it begins.</param>
    public void Admit(Action<Job> finish)
    {
        while (_waiting.Count > 0 && !_running.Exists(running => running.IsAlone))
        {
            Job job = _waiting[0];
            try
            {
                if (!TryBegin(job))
                {
                    break;
                }
            }
            catch (Exception error)
            {
                job.Failure = error;
            }
            _waiting.Admit(job);
            if (job.IsFinished || job.Failure is not null)
            {
                finish(job);
                continue;
            }
            int at = _running.FindIndex(other => WaitingJobs.BySeniority(job, other) < 0);
            _running.Insert(at < 0 ? _running.Count : at, job);
        }
        for (int i = 0; i < _waiting.Count; i++)
        {
            _waiting[i].Tell(i + 1);
        }
    }

    /// <summary>The last one gives way, since blocks ran out: it waits again, or has failed if it does not fit even alone.</summary>
    /// <param name="finish">What becomes of a job that has failed.</param>
    public void GiveWay(Action<Job> finish)
    {
        Job job = _running[^1];
        _running.RemoveAt(_running.Count - 1);
        bool wasAlone = job.IsAlone;
        job.IsAlone = _running.Count == 0;
        int needed = job.Sequence.Length + job.Sequence.Pending;
        job.Sequence.Release();
        if (wasAlone || (job.IsAlone && !runner.Pool.Fits(needed)))
        {
            job.Failure = CacheFullException.OfSequence(needed, runner.Pool.BytesOf(needed), runner.Pool.Bytes);
            finish(job);
            return;
        }
        job.GaveWayAt = _left;
        WaitAgain(job);
    }

    /// <summary>Begins a job, if need be at the cost of lower priorities.</summary>
    private bool TryBegin(Job job)
    {
        job.Begin();
        if (job.IsFinished)
        {
            return true;
        }
        if (job.IsAlone)
        {
            // Only when nobody else runs; and nothing is kept.
            if (_running.Count == 0)
            {
                runner.Prefixes?.Clear();
            }
            return _running.Count == 0;
        }
        while (!TryShare(job))
        {
            if (!CanMakeRoom(job))
            {
                return false;
            }
            Job last = _running[^1];
            _running.RemoveAt(_running.Count - 1);
            last.Sequence.Release();
            WaitAgain(last);
        }
        return true;
    }

    /// <summary>Gives a job what is cached of it, if there is room for the rest.</summary>
    private bool TryShare(Job job)
    {
        if (_running.Count >= runner.LogitRows)
        {
            return false;
        }
        PrefixMatch match = job.Sequence.Share();
        (int chunked, int full) = Needed(job, _running.Count);
        // Free memory may be in pieces of the other kind: who gave way in spite of it needs blocks that there are until somebody has left.
        bool hasRoom = job.GaveWayAt == _left ? runner.HasBlocks(chunked, full) : runner.HasRoom(chunked, full);
        if (_running.Count > 0 && !hasRoom)
        {
            job.Sequence.Release();
            return false;
        }
        job.Sequence.CopyTail(match);
        job.Reuse(job.Sequence.Length);
        return true;
    }

    /// <summary>What a job and the first of those who run will take, and the block that each of these goes on with, if it needs one more.</summary>
    private (int Chunked, int Full) Needed(Job job, int first)
    {
        (int chunked, int full) = job.Missing();
        for (int i = 0; i < first; i++)
        {
            ((int moreChunked, int moreFull), (int nextChunked, int nextFull)) = (_running[i].Missing(), _running[i].Next());
            (chunked, full) = (chunked + moreChunked + nextChunked, full + moreFull + nextFull);
        }
        return (chunked, full);
    }

    /// <summary>Whether there is room for a job if all give way that do to its priority, the last ones.</summary>
    private bool CanMakeRoom(Job job)
    {
        int first = _running.Count;
        long givenBack = 0;
        while (first > 0 && _running[first - 1] is { IsAged: false } other && other.Request.Priority < job.Request.Priority)
        {
            givenBack += runner.BytesOf(other.Sequence);
            first--;
        }
        if (first == _running.Count)
        {
            return false;
        }
        (int chunked, int full) = Needed(job, first);
        return first < runner.LogitRows && runner.MightHaveRoom(chunked, full, givenBack);
    }

    private void WaitAgain(Job job)
    {
        Volatile.Write(ref _preemptions, _preemptions + 1);
        _waiting.Add(job);
    }
}
