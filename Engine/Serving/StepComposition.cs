using System.Runtime.InteropServices;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// Puts steps together: the next token of every job that decodes and, within the budget, pieces of the prompts of others.
/// </summary>
/// <param name="runner">Runs them.</param>
/// <param name="running">Who runs.</param>
/// <param name="stepTokens">Work of a step in which some decode, in rows at the begin of a context.</param>
internal sealed class StepComposition(StepRunner runner, List<Job> running, int stepTokens)
{
    /// <summary>Late in a very long context no fewer rows than this part of the budget go together: each step reads all weights.</summary>
    private const int LeastShare = 4;

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
        AddPieces(_parts.Count);
        (int chunked, int full) = (0, 0);
        foreach (StepPart part in _parts)
        {
            chunked += part.Sequence.Blocks.Missing(BlockKind.Chunked, part.Rows);
            full += part.Sequence.Blocks.Missing(BlockKind.Full, part.Rows);
        }
        return (chunked, full);
    }

    /// <summary>Adds pieces of prompts: as much as a step takes, or what those that decode leave of its budget, one row at least.</summary>
    private void AddPieces(int decoding)
    {
        int rowsLeft = runner.StepRows - decoding, least = 1;
        double left = double.PositiveInfinity;
        if (decoding > 0)
        {
            rowsLeft = Math.Min(rowsLeft, Math.Max(1, stepTokens - decoding));
            least = Math.Max(1, Math.Min(rowsLeft, stepTokens / LeastShare));
            left = stepTokens;
            foreach (StepPart part in _parts)
            {
                left -= runner.Work.Of(part.Sequence.Blocks, 1);
            }
        }
        bool isFirst = true;
        foreach (Job job in running)
        {
            if (job.Sequence.Pending > 1 && rowsLeft > 0 && (isFirst || left > 0))
            {
                SequenceBlocks blocks = job.Sequence.Blocks;
                int rows = blocks.RowsBeforeChunkEdge(Math.Min(Math.Min(rowsLeft, job.Sequence.Pending), job.Ready));
                if (rows > 0)
                {
                    rows = Math.Min(rows, Math.Max(isFirst ? least : 1, runner.Work.RowsWithin(left, blocks, rows)));
                    left -= runner.Work.Of(blocks, rows);
                    rowsLeft -= rows;
                    isFirst = false;
                    Add(job, rows);
                }
            }
        }
    }

    private void Add(Job job, int rows)
    {
        bool isWanted = rows == job.Sequence.Pending;
        _parts.Add(new StepPart(job.Sequence, rows, isWanted ? 1 : 0, isWanted ? job.Rule : null));
        _members.Add(job);
    }
}
