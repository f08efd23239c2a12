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
/// <see cref="Admission"/> says who runs, <see cref="StepComposition"/> what a step has. If its blocks do not fit beside what the
/// others hold, prefixes that nobody uses go first; then the youngest job of the lowest priority gives way: its blocks go, its
/// tokens stay, and it is computed again when there is room. When nothing is left to give way, memory may still be in pieces
/// that serve one kind of layers only: the job begins again alone, and fails only if even so there is no room.
/// </remarks>
internal sealed class Scheduler
{
    /// <summary>Logits of a step from which choosing takes longer than waking threads for it.</summary>
    private const long LogitsWorthSharing = 64 << 10;

    private readonly Lock _lock = new();
    private readonly StepRunner _runner;
    private readonly Llama4Model _model;
    private readonly TimeProvider _clock;
    private readonly int _maxQueue;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly List<Job> _arrivals = [];
    private readonly Admission _admission;
    private readonly StepComposition _step;
    private readonly SharedItems _choices;
    private readonly Action _giveWay;
    private readonly Action<Job> _finish;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private StepResult _result;
    private volatile Exception? _failure;
    private long _submitted, _steps;
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
        _admission = new Admission(runner, options.MaxOvertakes);
        _step = new StepComposition(runner, _admission.Running, options.StepTokens ?? Math.Max(1, runner.StepRows / 4));
        _choices = new SharedItems(Environment.ProcessorCount - 1, Choose);
        _finish = Finish;
        _giveWay = () =>
        {
            _admission.GiveWay(_finish);
            Count();
        };
        _thread = new Thread(Run) { IsBackground = true, Name = "llama4 engine" };
        _thread.Start();
    }

    public int Running => Volatile.Read(ref _runningCount);

    public int Waiting => Volatile.Read(ref _waitingCount);

    public long Steps => Volatile.Read(ref _steps);

    public long Preemptions => _admission.Preemptions;

    /// <summary>The error of its own that ended it; null if none has.</summary>
    public Exception? Failure => _failure;

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
            throw new EngineFailedException(_failure);
        }
    }

    private void Run()
    {
        try
        {
            while (!_isStopped && TakeArrivals())
            {
                DropGone();
                _admission.Admit(_finish);
                Count();
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
                    _admission.Add(job);
                }
                _arrivals.Clear();
            }
            if (_isStopped || _admission.Waiting + _admission.Running.Count > 0)
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
        List<Job> running = _admission.Running;
        for (int i = running.Count - 1; i >= 0; i--)
        {
            if (IsGone(running[i]))
            {
                Leave(running[i]);
            }
        }
        for (int i = _admission.Waiting - 1; i >= 0; i--)
        {
            if (IsGone(_admission[i]))
            {
                Finish(_admission.RemoveWaiting(i));
            }
        }
    }

    private bool IsGone(Job job)
    {
        if (!job.IsAbandoned && job.Request.Deadline is TimeSpan deadline && _clock.GetElapsedTime(job.Submitted) >= deadline)
        {
            job.Failure = new DeadlinePassedException(deadline, job.Given);
        }
        return job.IsAbandoned || job.Failure is not null;
    }

    private void Step()
    {
        EncodePicture();
        if (!_step.Compose(_giveWay))
        {
            return;
        }
        List<Job> members = _step.Members;
        try
        {
            _result = _runner.Run(_step.Parts);
        }
        catch (Exception error)
        {
            foreach (Job job in members)
            {
                job.Failure = error;
                Leave(job);
            }
            return;
        }
        Volatile.Write(ref _steps, _steps + 1);
        for (int i = 0; i < members.Count; i++)
        {
            if (_step.Parts[i].Rows > 1)
            {
                members[i].Tell(0);
            }
        }
        ChooseAll();
        foreach (Job job in members)
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
        if (_admission.Running.Find(job => job.Ready == 0) is Job job)
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

    /// <summary>Several tokens that are chosen on the host, from all logits, are chosen beside each other where that is worth waking someone.</summary>
    private void ChooseAll()
    {
        int onHost = 0;
        for (int i = 0; i < _step.Members.Count; i++)
        {
            onHost += _step.Parts[i].LogitRows > 0 && _result.Chosen(i) is null ? 1 : 0;
        }
        if (onHost > 1 && (long)onHost * _model.Config.Text.VocabSize >= LogitsWorthSharing)
        {
            _choices.Run(_step.Members.Count);
            return;
        }
        for (int i = 0; i < _step.Members.Count; i++)
        {
            Choose(i);
        }
    }

    private void Choose(int part)
    {
        if (_step.Parts[part].LogitRows == 0)
        {
            return;
        }
        Job job = _step.Members[part];
        try
        {
            job.Choose(_result, part);
        }
        catch (Exception error)
        {
            job.Failure = error;
        }
    }

    private void Leave(Job job)
    {
        _admission.Leave(job);
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
            _waitingCount = _arrivals.Count + _admission.Waiting;
        }
        Volatile.Write(ref _runningCount, _admission.Running.Count);
    }

    private void End()
    {
        List<Job> left;
        lock (_lock)
        {
            _isClosed |= _failure is null;
            left = [.. _admission.Running, .. _arrivals];
            _arrivals.Clear();
        }
        while (_admission.Waiting > 0)
        {
            left.Add(_admission.RemoveWaiting(0));
        }
        _admission.Running.Clear();
        foreach (Job job in left)
        {
            job.Failure ??= _failure is null ? new ObjectDisposedException(nameof(Llama4Engine)) : new EngineFailedException(_failure);
            Finish(job);
        }
        _runner.Prefixes?.Clear();
        _runner.Dispose();
        _ended.SetResult();
    }
}
