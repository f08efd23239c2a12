using System.Diagnostics;
using System.Globalization;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>A process of this program that has one engine, as <see cref="PeerHost"/>; disposing it ends it.</summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly Process _process;

    /// <summary>Starts it and waits until the model is loaded.</summary>
    /// <param name="name">The engine's name in the report.</param>
    /// <param name="arguments">What this program is started with.</param>
    public PeerProcess(string name, IEnumerable<string> arguments)
    {
        Name = name;
        string program = Environment.ProcessPath!;
        // Started by dotnet, the program is its first argument.
        string[] own = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(PeerProcess).Assembly.Location] : [];
        _process = Process.Start(new ProcessStartInfo(program, [.. own, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        LoadSeconds = Read();
    }

    /// <summary>The engine's name.</summary>
    public string Name { get; }

    /// <summary>Seconds that loading took.</summary>
    public double LoadSeconds { get; }

    /// <summary>Its answer to a line.</summary>
    /// <exception cref="InvalidOperationException">It ended.</exception>
    public double Ask(string line)
    {
        _process.StandardInput.WriteLine(line);
        return Read();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(TimeSpan.FromSeconds(30)))
            {
                _process.Kill();
            }
        }
        _process.Dispose();
    }

    private double Read() => double.TryParse(_process.StandardOutput.ReadLine(), CultureInfo.InvariantCulture, out double number)
        ? number
        : throw new InvalidOperationException($"{Name} ended; what it wrote above says why.");
}
