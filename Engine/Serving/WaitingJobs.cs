namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// Who waits, in the order in which they are admitted: by priority, of equals by arrival. A job that later ones overtook so
/// many times as may be goes before all that were not.
/// </summary>
internal sealed class WaitingJobs(int maxOvertakes)
{
    private readonly List<Job> _jobs = [];

    public int Count => _jobs.Count;

    public Job this[int index] => _jobs[index];

    /// <summary>Adds a job, also one that ran before, at its place.</summary>
    public void Add(Job job)
    {
        int at = _jobs.FindIndex(other => Compare(job, other) < 0);
        _jobs.Insert(at < 0 ? _jobs.Count : at, job);
    }

    /// <summary>Takes a job away, which overtakes those that came before it.</summary>
    public void Admit(Job first)
    {
        _jobs.Remove(first);
        for (int i = 0; i < _jobs.Count; i++)
        {
            Job other = _jobs[i];
            if (other.Number < first.Number && ++other.Overtaken >= maxOvertakes && !other.IsAged)
            {
                other.IsAged = true;
                _jobs.RemoveAt(i);
                Add(other);
            }
        }
    }

    /// <summary>Takes a job away that is not admitted.</summary>
    public Job RemoveAt(int index)
    {
        Job job = _jobs[index];
        _jobs.RemoveAt(index);
        return job;
    }

    private static int Compare(Job x, Job y) =>
        x.IsAged != y.IsAged ? y.IsAged.CompareTo(x.IsAged) : x.IsAged ? x.Number.CompareTo(y.Number) : BySeniority(x, y);

    /// <summary>Negative for the one that gives way last.</summary>
    public static int BySeniority(Job x, Job y)
    {
        int byPriority = y.Request.Priority.CompareTo(x.Request.Priority);
        return byPriority != 0 ? byPriority : x.Number.CompareTo(y.Number);
    }
}
