using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Interop.Memory;

public sealed partial class MappedFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("llama4-tests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public unsafe void BytesAreThoseOfTheFile()
    {
        byte[] bytes = new byte[10_001];
        new Random(1).NextBytes(bytes);
        string path = Path.Combine(_folder, "x");
        File.WriteAllBytes(path, bytes);
        using MappedFile map = MappedFile.Open(path);
        Assert.Equal(bytes.Length, map.Length);
        Assert.Equal(bytes, new ReadOnlySpan<byte>(map.Pointer, bytes.Length).ToArray());
        map.ThrowIfTruncated();
    }

    [Fact]
    public unsafe void EmptyFileHasNoPointer()
    {
        string path = Path.Combine(_folder, "x");
        File.WriteAllBytes(path, []);
        using MappedFile map = MappedFile.Open(path);
        Assert.Equal(0, map.Length);
        Assert.True(map.Pointer is null);
    }

    [Fact]
    public unsafe void LongPath()
    {
        string folder = _folder;
        for (int i = 0; i < 8; i++)
        {
            folder = Path.Combine(folder, new string('d', 100));
        }
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "ü.bin");
        File.WriteAllBytes(path, [7]);
        using MappedFile map = MappedFile.Open(path);
        Assert.Equal(7, *map.Pointer);
    }

    [Fact]
    public unsafe void SparseFileBeyondTwoGigabytes()
    {
        string path = Path.Combine(_folder, "x");
        using (FileStream stream = File.Create(path))
        {
            stream.Position = 5_000_000_000;
            stream.WriteByte(9);
        }
        using MappedFile map = MappedFile.Open(path);
        Assert.Equal(5_000_000_001, map.Length);
        Assert.Equal(9, map.Pointer[5_000_000_000]);
    }

    [Fact]
    public void MissingFile() => Assert.Throws<FileNotFoundException>(() => MappedFile.Open(Path.Combine(_folder, "none")));

    [Fact]
    public void Folder() => Assert.Contains("is a directory", Assert.Throws<IOException>(() => MappedFile.Open(_folder)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task PipeIsRefusedAtOnce()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no FIFO files.");
        string path = Path.Combine(_folder, "pipe");
        Assert.Equal(0, MakeFifo(path, 0x180));
        Task<IOException> open = Task.Run(() => Assert.Throws<IOException>(() => MappedFile.Open(path)));
        IOException e = await open.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Contains("is a pipe", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TruncationIsNoticed()
    {
        string path = Path.Combine(_folder, "x");
        File.WriteAllBytes(path, new byte[100]);
        using MappedFile map = MappedFile.Open(path);
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(99);
        }
        Assert.Contains("from 100 to 99 bytes", Assert.Throws<IOException>(map.ThrowIfTruncated).Message, StringComparison.Ordinal);
    }

    [Fact]
    public unsafe void UseAfterDisposal()
    {
        string path = Path.Combine(_folder, "x");
        File.WriteAllBytes(path, [1]);
        MappedFile map = MappedFile.Open(path);
        map.Dispose();
        map.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { _ = map.Pointer[0]; });
        Assert.Throws<ObjectDisposedException>(map.ThrowIfTruncated);
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeFifo(string path, int mode);
}
