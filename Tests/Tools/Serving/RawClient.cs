using System.Net.Sockets;
using System.Text;
using Llama4Kernels.Server;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>A connection that is written to by hand, as no client library does it.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly TcpClient _tcp = new();

    public RawClient(Llama4Server server, int receiveBuffer = 0)
    {
        if (receiveBuffer > 0)
        {
            _tcp.ReceiveBufferSize = receiveBuffer;
        }
        _tcp.Connect(server.Address.Host, server.Address.Port);
        Stream = _tcp.GetStream();
    }

    public NetworkStream Stream { get; }

    public ValueTask WriteAsync(string text) => Stream.WriteAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Sends a whole request for a chat.</summary>
    public ValueTask ChatAsync(string body) => WriteAsync($"{Head("Content-Length: " + Encoding.UTF8.GetByteCount(body))}{body}");

    public static string Head(string header) => $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{header}\r\n\r\n";

    /// <summary>Reads up to a text.</summary>
    public async Task<string> ReadToAsync(string end)
    {
        var read = new StringBuilder();
        byte[] buffer = new byte[512];
        while (!read.ToString().Contains(end, StringComparison.Ordinal))
        {
            int count = await Stream.ReadAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(20));
            if (count == 0)
            {
                break;
            }
            read.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        return read.ToString();
    }

    /// <summary>The status of the answer.</summary>
    public async Task<int> StatusAsync() => int.Parse((await ReadToAsync("\r\n")).Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);

    public void Dispose() => _tcp.Dispose();
}
