using System.Runtime.InteropServices;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// Puts steps together: the next token of every job that decodes and, within the budget, pieces of the prompts of others.
/// </summary>
/// <param name="runner">Runs them.</param>
/// <param name="running">Who runs.</param>
/// <param name="stepTokens">Most rows of a step in which some decode.</param>
internal sealed class StepComposition(StepRunner runner, List<Job> running, int stepTokens)
{
    private readonly List<StepPart> _parts = [];
    private readonly List<Job> _members = [];

    /// <summary>The step's parts.</summary>
    public ReadOnlySpan<StepPart> Parts => CollectionsMarshal.AsSpan(_parts);

    /// <summary>Whose they are.</summary>
    public List<Job> Members => _members;

    /// <summary>Makes a step whose blocks can be had, if need be by letting some give way; false if there is nothing to do.</summary>
    public bool Compose(Action giveWay)
    {
        while (true)
        {
            (int chunked, int full) = Gather();
            if (_parts.Count == 0)
            {
                return false;
            }
            if (runner.MakeRoom(chunked, full))
            {
                return true;
            }
            giveWay();
        }
    }

    /// <summary>Puts the next step together, and counts the blocks that it takes.</summary>
    private (int Chunked, int Full) Gather()
    {
        _parts.Clear();
        _members.Clear();
        foreach (Job job in running)
        {
            if (job.Sequence.Pending == 1 && job.Ready > 0)
            {
                Add(job, 1);
            }
        }
        int decoding = _parts.Count;
        int left = decoding == 0 ? runner.StepRows : Math.Min(runner.StepRows - decoding, Math.Max(1, stepTokens - decoding));
        foreach (Job job in running)
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
}
