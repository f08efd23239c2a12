using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The option that says which device the emulator is: what fits a block, which modules it takes and what it refuses follow from that.</summary>
internal sealed class EmulatedDevice
{
    private readonly Option<string?> _device = new("--device")
    {
        Description = $"With the emulator: the device that it is, {string.Join(", ", EmulatedDriverOptions.Capabilities.Select(Target))}, or by name ({string.Join(", ", DeviceLimits.Known.Select(known => known.Name))}); sm_90 if not given.",
    };

    public void AddTo(Command command) => command.Add(_device);

    /// <summary>The emulator's options, if a command works on it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="isEmulated">Whether it does.</param>
    /// <param name="demand">What demands it, for the error of a device named without it.</param>
    /// <exception cref="ArgumentException">No such device is emulated, or a device was named for a command that works on another.</exception>
    public EmulatedDriverOptions Options(ParseResult parsed, bool isEmulated, string demand) => Options(parsed.GetValue(_device), isEmulated, demand);

    internal static EmulatedDriverOptions Options(string? device, bool isEmulated, string demand)
    {
        if (device is null)
        {
            return new EmulatedDriverOptions();
        }
        if (!isEmulated)
        {
            throw new ArgumentException($"--device names the device that the emulator is; it needs {demand}.");
        }
        DeviceLimits? known = DeviceLimits.Known.FirstOrDefault(known => string.Equals(known.Name, device, StringComparison.OrdinalIgnoreCase));
        int sm = known?.Sm ?? EmulatedDriverOptions.Capabilities.FirstOrDefault(capability => Target(capability) == device);
        return sm == 0
            ? throw new ArgumentException($"--device {device} is not emulated; there are {string.Join(", ", EmulatedDriverOptions.Capabilities.Select(Target).Concat(DeviceLimits.Known.Select(one => one.Name)))}.")
            : new EmulatedDriverOptions { Capability = sm };
    }

    private static string Target(int capability) => string.Create(CultureInfo.InvariantCulture, $"sm_{capability}");
}
