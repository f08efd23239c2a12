using System.Text;
using Llama4Kernels.Interop.Files;
using Microsoft.Win32.SafeHandles;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The process's input, output and error stream as the commands see them, also where one of them is closed.</summary>
internal static class StandardStreams
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Standard input; closed, it is at its end.</summary>
    public static TextReader Input() => StandardDescriptors.IsOpen(0) ? Console.In : TextReader.Null;

    /// <summary>Standard output. Writing to a pipe that nobody reads any more throws <see cref="OutputClosedException"/>.</summary>
    public static TextWriter Output()
    {
        if (!StandardDescriptors.IsOpen(1))
        {
            return new StreamWriter(new PipeStream(null), s_utf8) { AutoFlush = true };
        }
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected)
        {
            return Console.Out;
        }
        // The runtime's stream takes a broken pipe for written. A regular file must keep it, for it shares the position.
        FileStream pipe = new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return pipe.CanSeek ? Console.Out : new StreamWriter(new PipeStream(pipe), s_utf8) { AutoFlush = true };
    }

    /// <summary>The error stream; closed, it swallows everything.</summary>
    public static TextWriter Error() => StandardDescriptors.IsOpen(2) ? Console.Error : TextWriter.Null;

    private sealed class PipeStream(FileStream? pipe) : Stream
    {
        private const int BrokenPipe = 32;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                (pipe ?? throw new OutputClosedException()).Write(buffer);
            }
            catch (IOException e) when (e.HResult == BrokenPipe)
            {
                throw new OutputClosedException(e);
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
