using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// Runs the jobs of an engine on a thread of its own: takes who waits when there is room, makes steps of what all need next,
/// and hands out what was chosen. What goes wrong with a job or a step fails the jobs concerned and nobody else.
/// </summary>
/// <remarks>
/// A step has the next token of every job that decodes and, within the budget, pieces of the prompts of others. If its blocks do
/// not fit beside what the others hold, prefixes that nobody uses go first; then the youngest job gives way: its blocks go, its
/// tokens stay, and it is computed again when there is room. When nothing is left to give way, memory may still be in pieces
/// that serve one kind of layers only: the job begins again alone, and fails only if even so there is no room.
/// </remarks>
internal sealed class Scheduler
{
    private readonly Lock _lock = new();
    private readonly StepRunner _runner;
    private readonly Llama4Model _model;
    private readonly TimeProvider _clock;
    private readonly int _maxQueue, _stepTokens;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly List<Job> _arrivals = [];
    private readonly WaitingJobs _waiting;
    private readonly List<Job> _running = [], _members = [];
    private readonly List<StepPart> _parts = [];
    private readonly Action<int> _choose;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private StepResult _result;
    private Exception? _failure;
    private long _submitted, _steps, _preemptions;
    private int _runningCount, _waitingCount;
    private bool _isClosed;
    private volatile bool _isStopped;

    /// <summary>Takes the runner over and starts.</summary>
    public Scheduler(Llama4Model model, StepRunner runner, EngineOptions options, TimeProvider clock)
    {
        _model = model;
        _runner = runner;
        _clock = clock;
        _maxQueue = options.MaxQueue;
        _stepTokens = options.StepTokens ?? Math.Max(1, runner.StepRows / 4);
        _waiting = new WaitingJobs(options.MaxOvertakes);
        _choose = Choose;
        _thread = new Thread(Run) { IsBackground = true, Name = "llama4 engine" };
        _thread.Start();
    }

    public EngineStatus Status => new(
        Volatile.Read(ref _runningCount), Volatile.Read(ref _waitingCount), _runner.Pool.Bytes, _runner.Pool.UsedBytes, Volatile.Read(ref _steps), Volatile.Read(ref _preemptions));

    /// <summary>Takes a request in.</summary>
    /// <inheritdoc cref="Llama4Engine.GenerateAsync" path="/exception"/>
    public Job Submit(GenerationRequest request)
    {
        ThrowIfClosed();
        var prompt = new PreparedPrompt(_runner, _model, request.Prompt);
        var answer = new Answer(_model, request.Prompt, request.Options ?? new GenerationOptions(), _runner.MaxContext);
        if (!_runner.Pool.Fits(request.Prompt.Ids.Length))
        {
            throw CacheFullException.OfSequence(request.Prompt.Ids.Length, _runner.Pool.BytesOf(request.Prompt.Ids.Length), _runner.Pool.Bytes);
        }
        var job = new Job(request, prompt, answer, _runner.CreateSequence(request.Salt), _clock.GetTimestamp());
        lock (_lock)
        {
            ThrowIfClosed();
            if (_waitingCount >= _maxQueue)
            {
                throw new QueueFullException(_maxQueue);
            }
            job.Number = _submitted++;
            _arrivals.Add(job);
            _waitingCount++;
        }
        Wake();
        return job;
    }

    /// <summary>Nobody wants a job any more: its slot and blocks are free from the next step on.</summary>
    public void Abandon(Job job)
    {
        job.Abandon();
        Wake();
    }

    /// <summary>Takes no more requests and ends when those that it has are done; or, if they are not to be waited for, at the next step.</summary>
    /// <exception cref="InvalidOperationException">It was called from within a step.</exception>
    public Task StopAsync(bool drain)
    {
        if (Thread.CurrentThread == _thread)
        {
            throw new InvalidOperationException("An engine cannot be ended from within one of its steps.");
        }
        lock (_lock)
        {
            _isClosed = true;
        }
        _isStopped |= !drain;
        Wake();
        return _ended.Task;
    }

    private void Wake()
    {
        // One is enough: whoever wakes sees all that came before.
        if (_wake.CurrentCount == 0)
        {
            _wake.Release();
        }
    }

    private void ThrowIfClosed()
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Llama4Engine));
        if (_failure is not null)
        {
            throw new InvalidOperationException("The engine has stopped because of an error of its own.", _failure);
        }
    }

    private void Run()
    {
        try
        {
            while (!_isStopped && TakeArrivals())
            {
                DropGone();
                Admit();
                Step();
            }
        }
        catch (Exception error)
        {
            // An error of the scheduler itself: whoever waits for it must know, and the process goes on.
            _failure = error;
        }
        finally
        {
            End();
        }
    }

    /// <summary>Takes in who has come, and waits for someone if there is nothing to do; false if nobody will come.</summary>
    private bool TakeArrivals()
    {
        while (true)
        {
            bool isClosed;
            lock (_lock)
            {
                isClosed = _isClosed;
                foreach (Job job in _arrivals)
                {
                    _waiting.Add(job);
                }
                _arrivals.Clear();
            }
            if (_isStopped || _waiting.Count + _running.Count > 0)
            {
                return true;
            }
            if (isClosed)
            {
                return false;
            }
            _wake.Wait();
        }
    }

    private void DropGone()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            if (IsGone(_running[i]))
            {
                Leave(_running[i]);
            }
        }
        for (int i = _waiting.Count - 1; i >= 0; i--)
        {
            if (IsGone(_waiting[i]))
            {
                Finish(_waiting.RemoveAt(i));
            }
        }
        Count();
    }

    private bool IsGone(Job job)
    {
        if (!job.IsAbandoned && job.Request.Deadline is TimeSpan deadline && _clock.GetElapsedTime(job.Submitted) >= deadline)
        {
            job.Failure = new DeadlinePassedException(deadline, job.Given);
        }
        return job.IsAbandoned || job.Failure is not null;
    }

    private void Admit()
    {
        while (_waiting.Count > 0 && _running.Count < _runner.LogitRows && !_running.Exists(running => running.IsAlone))
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
            _waiting.Admit();
            if (job.IsFinished || job.Failure is not null)
            {
                Finish(job);
                continue;
            }
            int at = _running.FindIndex(other => WaitingJobs.BySeniority(job, other) < 0);
            _running.Insert(at < 0 ? _running.Count : at, job);
        }
        for (int i = 0; i < _waiting.Count; i++)
        {
            _waiting[i].Tell(i + 1);
        }
        Count();
    }

    /// <summary>Gives a job what is cached of it, if there is room for the rest.</summary>
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
                _runner.Prefixes?.Clear();
            }
            return _running.Count == 0;
        }
        PrefixMatch match = job.Sequence.Share();
        (int chunked, int full) = job.Missing();
        foreach (Job other in _running)
        {
            // What those who are here will take, and a block more for each to go on with.
            (int moreChunked, int moreFull) = other.Missing();
            (chunked, full) = (chunked + moreChunked + 1, full + moreFull + 1);
        }
        if (_running.Count > 0 && !_runner.HasRoom(chunked, full))
        {
            job.Sequence.Release();
            return false;
        }
        job.Sequence.CopyTail(match);
        job.Reuse(job.Sequence.Length);
        return true;
    }

    private void Step()
    {
        EncodePicture();
        if (!Plan())
        {
            return;
        }
        try
        {
            _result = _runner.Run(CollectionsMarshal.AsSpan(_parts));
        }
        catch (Exception error)
        {
            foreach (Job job in _members)
            {
                job.Failure = error;
                Leave(job);
            }
            return;
        }
        Volatile.Write(ref _steps, _steps + 1);
        for (int i = 0; i < _members.Count; i++)
        {
            if (_parts[i].Rows > 1)
            {
                _members[i].Tell(0);
            }
        }
        ChooseAll();
        foreach (Job job in _members)
        {
            if (job.IsFinished || job.Failure is not null)
            {
                Leave(job);
            }
        }
    }

    /// <summary>One at a time, so that nobody's next token waits for more than one.</summary>
    private void EncodePicture()
    {
        if (_running.Find(job => job.Ready == 0) is Job job)
        {
            try
            {
                job.EncodePicture(_runner.Observer);
            }
            catch (Exception error)
            {
                job.Failure = error;
                Leave(job);
            }
        }
    }

    /// <summary>Makes a step whose blocks can be had; false if there is nothing to do.</summary>
    private bool Plan()
    {
        while (true)
        {
            (int chunked, int full) = Gather();
            if (_parts.Count == 0)
            {
                return false;
            }
            if (_runner.MakeRoom(chunked, full))
            {
                return true;
            }
            GiveWay(_running[^1]);
        }
    }

    /// <summary>Puts the next step together, and counts the blocks that it takes.</summary>
    private (int Chunked, int Full) Gather()
    {
        _parts.Clear();
        _members.Clear();
        foreach (Job job in _running)
        {
            if (job.Sequence.Pending == 1 && job.Ready > 0)
            {
                Add(job, 1);
            }
        }
        int decoding = _parts.Count;
        int left = decoding == 0 ? _runner.StepRows : Math.Min(_runner.StepRows - decoding, Math.Max(1, _stepTokens - decoding));
        foreach (Job job in _running)
        {
            if (job.Sequence.Pending > 1 && left > 0)
            {
                int rows = job.Sequence.Blocks.RowsBeforeChunkEdge(Math.Min(Math.Min(left, job.Sequence.Pending), job.Ready));
                if (rows > 0)
                {
                    Add(job, rows);
                    left -= rows;
                }
            }
        }
        (int chunked, int full) = (0, 0);
        foreach (StepPart part in _parts)
        {
            chunked += part.Sequence.Blocks.Missing(BlockKind.Chunked, part.Rows);
            full += part.Sequence.Blocks.Missing(BlockKind.Full, part.Rows);
        }
        return (chunked, full);
    }

    private void Add(Job job, int rows)
    {
        bool isWanted = rows == job.Sequence.Pending;
        _parts.Add(new StepPart(job.Sequence, rows, isWanted ? 1 : 0, isWanted ? job.Rule : null));
        _members.Add(job);
    }

    private void GiveWay(Job job)
    {
        _running.Remove(job);
        bool wasAlone = job.IsAlone;
        job.IsAlone = _running.Count == 0;
        int needed = job.Sequence.Length + job.Sequence.Pending;
        job.Sequence.Release();
        if (wasAlone || (job.IsAlone && !_runner.Pool.Fits(needed)))
        {
            job.Failure = CacheFullException.OfSequence(needed, _runner.Pool.BytesOf(needed), _runner.Pool.Bytes);
            Finish(job);
            return;
        }
        Volatile.Write(ref _preemptions, _preemptions + 1);
        _waiting.Add(job);
        Count();
    }

    private void ChooseAll()
    {
        int onHost = 0;
        for (int i = 0; i < _members.Count; i++)
        {
            onHost += _parts[i].LogitRows > 0 && _result.Chosen(i) is null ? 1 : 0;
        }
        if (onHost > 1)
        {
            Parallel.For(0, _members.Count, _choose);
            return;
        }
        for (int i = 0; i < _members.Count; i++)
        {
            Choose(i);
        }
    }

    private void Choose(int part)
    {
        if (_parts[part].LogitRows == 0)
        {
            return;
        }
        try
        {
            _members[part].Choose(_result, part);
        }
        catch (Exception error)
        {
            _members[part].Failure = error;
        }
    }

    private void Leave(Job job)
    {
        _running.Remove(job);
        Finish(job);
    }

    /// <summary>A job that neither runs nor waits is over: its blocks are free before anybody hears of it.</summary>
    private void Finish(Job job)
    {
        job.Sequence.Dispose();
        Count();
        job.Complete();
    }

    private void Count()
    {
        lock (_lock)
        {
            _waitingCount = _arrivals.Count + _waiting.Count;
        }
        Volatile.Write(ref _runningCount, _running.Count);
    }

    private void End()
    {
        List<Job> left;
        lock (_lock)
        {
            _isClosed |= _failure is null;
            left = [.. _running, .. _arrivals];
            _arrivals.Clear();
        }
        while (_waiting.Count > 0)
        {
            left.Add(_waiting.RemoveAt(0));
        }
        _running.Clear();
        foreach (Job job in left)
        {
            job.Failure ??= _failure is null ? new ObjectDisposedException(nameof(Llama4Engine)) : new InvalidOperationException("The engine has stopped because of an error of its own.", _failure);
            Finish(job);
        }
        _runner.Prefixes?.Clear();
        _runner.Dispose();
        _ended.SetResult();
    }
}
