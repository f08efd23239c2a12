namespace Llama4Kernels.Engine.Checkpoints.Conversion;

/// <summary>A folder that a checkpoint is written into; it appears under its name only once it is complete.</summary>
internal static class OutputFolder
{
    /// <summary>Checks that nothing is overwritten.</summary>
    /// <returns>The folder's full path.</returns>
    /// <exception cref="IOException">It exists and is not empty.</exception>
    public static string CheckFree(string folder)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        return File.Exists(target) || (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
            ? throw new IOException($"'{folder}' exists and is not empty; nothing is overwritten. Give another folder.")
            : target;
    }

    /// <summary>Checks that the published configuration can say what the model is.</summary>
    /// <exception cref="ModelFormatException">It cannot.</exception>
    public static void CheckExpressible(Checkpoint source)
    {
        if (source.Config.Text.RopeDivisors is not null)
        {
            throw new ModelFormatException(source.Location, "rope_freqs.weight", "divides the rotary frequencies by no rule that the published configuration has; the model runs, but cannot be converted.");
        }
    }

    /// <summary>Checks that the disk has room.</summary>
    /// <param name="partial">A folder on that disk.</param>
    /// <param name="folder">What to call it.</param>
    /// <param name="bytes">Bytes that are still to be written.</param>
    /// <exception cref="IOException">It has not.</exception>
    public static void CheckSpace(string partial, string folder, long bytes)
    {
        long free = new DriveInfo(partial).AvailableFreeSpace;
        if (free < bytes)
        {
            throw new IOException($"'{folder}' needs {bytes} bytes, the disk has {free} left.");
        }
    }

    /// <summary>Gives what was written its name.</summary>
    public static void Finish(string partial, string target)
    {
        if (Directory.Exists(target))
        {
            Directory.Delete(target);
        }
        Directory.Move(partial, target);
    }
}
