using System.Security.Cryptography;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Engine.Checkpoints.Conversion;

/// <summary>
/// Files of weights that are written into a folder so that a run that ended at any moment, with the process or the machine, goes
/// on behind the last tensor that is known to be on the disk. A journal beside the files says which that is, and what is being
/// written: another plan does not go on there.
/// </summary>
internal sealed class ResumableShards : IDisposable
{
    /// <summary>Name of the journal.</summary>
    public const string JournalName = "quantize.journal";

    private const string PartSuffix = ".part";

    private readonly string _folder;
    private readonly FileStream _lock;
    private Journal _journal;

    /// <summary>Opens a folder, in which an earlier run may have written; no other may be writing.</summary>
    /// <param name="folder">The folder; made if there is none.</param>
    /// <param name="plan">Says what is written: equal plans write equal bytes.</param>
    /// <exception cref="IOException">It holds what an earlier run with another plan has left, or something else, or another process writes there.</exception>
    public ResumableShards(string folder, string plan)
    {
        bool isNew = !Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any();
        Directory.CreateDirectory(folder);
        _folder = folder;
        string path = Path.Combine(folder, JournalName);
        try
        {
            _lock = new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e)
        {
            throw new IOException($"'{folder}' is being written by another process.", e);
        }
        try
        {
            _journal = isNew ? new Journal(plan, [], null, 0) : Read(path, plan);
            Save();
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>Names and checksums of the files that are complete.</summary>
    public IReadOnlyDictionary<string, string> Complete => _journal.Complete;

    /// <summary>Bytes that are never lost once they were written: a tensor that makes them more goes to the disk before the next begins.</summary>
    public long SyncBytes { get; init; } = 256L << 20;

    /// <summary>Writes a file, or what is missing of it.</summary>
    /// <param name="shard">Its name and its tensors, in the order of their data.</param>
    /// <param name="header">What stands before them.</param>
    /// <param name="done">Told of each tensor that is written, now or earlier.</param>
    /// <exception cref="IOException">The disk is full, or the file cannot be written.</exception>
    public void Write(Shard shard, byte[] header, Action<SafeTensorsEntry> done)
    {
        if (_journal.Complete.ContainsKey(shard.Name))
        {
            foreach (SafeTensorsEntry tensor in shard.Tensors)
            {
                done(tensor);
            }
            return;
        }
        string path = Path.Combine(_folder, shard.Name), part = path + PartSuffix;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var file = new FileStream(part, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, 1 << 20))
        {
            long position = _journal.Shard == shard.Name && file.Length >= _journal.Bytes ? _journal.Bytes : 0;
            file.SetLength(position);
            Append(hash, file, position);
            Write(shard, header, new CountingStream(file, hash), position, () => Sync(file, shard.Name), done);
            file.Flush(flushToDisk: true);
        }
        File.Move(part, path, overwrite: true);
        _journal = _journal with { Complete = new(_journal.Complete) { [shard.Name] = Convert.ToHexStringLower(hash.GetHashAndReset()) }, Shard = null, Bytes = 0 };
        Save();
    }

    /// <summary>Lets others write here.</summary>
    public void Dispose() => _lock.Dispose();

    private void Write(Shard shard, byte[] header, CountingStream stream, long position, Action sync, Action<SafeTensorsEntry> done)
    {
        if (position == 0)
        {
            stream.Write(header);
        }
        long end = header.Length, synced = position;
        foreach (SafeTensorsEntry tensor in shard.Tensors)
        {
            end += tensor.Bytes;
            if (end > position)
            {
                tensor.WriteTo(stream);
                if (end - synced >= SyncBytes)
                {
                    sync();
                    synced = end;
                }
            }
            done(tensor);
        }
    }

    private void Sync(FileStream file, string shard)
    {
        file.Flush(flushToDisk: true);
        _journal = _journal with { Shard = shard, Bytes = file.Position };
        Save();
    }

    private void Save()
    {
        string path = Path.Combine(_folder, JournalName), next = path + ".next";
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            JsonSerializer.Serialize(file, _journal);
            file.Flush(flushToDisk: true);
        }
        File.Move(next, path, overwrite: true);
    }

    private static void Append(IncrementalHash hash, FileStream file, long bytes)
    {
        file.Position = 0;
        byte[] buffer = new byte[1 << 20];
        for (int count; bytes > 0; bytes -= count)
        {
            count = (int)Math.Min(bytes, buffer.Length);
            file.ReadExactly(buffer, 0, count);
            hash.AppendData(buffer, 0, count);
        }
    }

    private static Journal Read(string path, string plan)
    {
        string folder = Path.GetDirectoryName(path)!;
        Journal? journal = null;
        try
        {
            using FileStream file = File.OpenRead(path);
            journal = JsonSerializer.Deserialize<Journal>(file);
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            // Said below: what is there is no run of ours.
        }
        return journal is { Complete: not null } && journal.Plan == plan
            ? journal
            : throw new IOException($"'{folder}' holds what an earlier run with another checkpoint or other options left. Finish that run, or delete the folder.");
    }

    /// <summary>How far it came.</summary>
    /// <param name="Plan">What is written.</param>
    /// <param name="Complete">Names and checksums of complete files.</param>
    /// <param name="Shard">The file that is being written.</param>
    /// <param name="Bytes">Bytes of it that are on the disk: the header and whole tensors.</param>
    private sealed record Journal(string Plan, Dictionary<string, string> Complete, string? Shard, long Bytes);
}
