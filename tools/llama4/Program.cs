using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

// Numbers are read and written the same way everywhere.
CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
var interrupts = new Interrupts();
// The first Ctrl-C stops what runs; with nothing to stop it ends the process as usual.
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = interrupts.Stop());
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => context.Cancel = interrupts.Stop());
var console = new CommandConsole(StandardStreams.Input(), StandardStreams.Output(), StandardStreams.Error(), interrupts)
{
    InputIsTerminal = !Console.IsInputRedirected,
    ErrorIsTerminal = !Console.IsErrorRedirected,
};
return await CommandLine.RunAsync(args, console).ConfigureAwait(false);
