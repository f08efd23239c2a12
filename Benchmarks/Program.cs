using System.Globalization;
using BenchmarkDotNet.Running;
using Llama4Kernels.Benchmarks.Peers;
using Llama4Kernels.Benchmarks.Quick;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;

// "--quick NAME" prints shares of the machine's limits in about a minute, "--peers NAME" ratios to other engines, "--roofline PNG [NAME]" all kernels under the machine's roofs; anything else goes to BenchmarkDotNet.
switch (args)
{
    case ["--quick", "matmul"]:
        MatMulQuick.Run();
        return 0;
    case ["--quick", "affine"]:
        AffineQuick.Run(ActivationPrecision.Float32, 1, null);
        return 0;
    case ["--quick", "affine", "int8", ..] when args.Length < 6 && (args.Length < 4 || int.TryParse(args[3], CultureInfo.InvariantCulture, out _)):
        AffineQuick.Run(ActivationPrecision.Int8, args.Length < 4 ? 1 : int.Parse(args[3], CultureInfo.InvariantCulture), args.Length < 5 ? null : args[4]);
        return 0;
    case ["--quick", "product", string format, ..] when args.Length < 7 && ProductArguments.Parse(args.AsSpan(3)) is ProductArguments given:
        ProductQuick.Run(format, given.Threads, given.Shape, given.Only);
        return 0;
    case ["--quick", "attention", ..] when args.Length < 5 && (args.Length < 3 || int.TryParse(args[2], CultureInfo.InvariantCulture, out _)):
        AttentionQuick.Run(args.Length < 3 ? 0 : int.Parse(args[2], CultureInfo.InvariantCulture), args.Length < 4 ? null : args[3]);
        return 0;
    case ["--quick", "pack"]:
        PackQuick.Run();
        return 0;
    case ["--quick", "decode"]:
        ModelQuick.Decode();
        return 0;
    case ["--quick", "vision"]:
        ModelQuick.Vision();
        return 0;
    case ["--quick", "int4-device"]:
        Int4DeviceQuick.Run(onEmulator: false);
        return 0;
    case ["--quick", "int4-device", "--emulator"]:
        Int4DeviceQuick.Run(onEmulator: true);
        return 0;
    case ["--quick", "emulator"]:
        EmulatorQuick.Run();
        return 0;
    case ["--quick", "team"]:
        TeamQuick.Run();
        return 0;
    case ["--quick", "steps", string model, ..] when args.Length < 5 && (args.Length < 4 || int.TryParse(args[3], CultureInfo.InvariantCulture, out _)):
        StepsQuick.Run(model, args.Length < 4 ? 0 : int.Parse(args[3], CultureInfo.InvariantCulture));
        return 0;
    case ["--quick", "serving", string model]:
        await ServingQuick.RunAsync(model).ConfigureAwait(false);
        return 0;
    case ["--quick", "neighbour", string model]:
        await NeighbourQuick.RunAsync(model).ConfigureAwait(false);
        return 0;
    case ["--quick", "server", string model]:
        await ServerQuick.RunAsync(model).ConfigureAwait(false);
        return 0;
    case ["--quick", "server", string model, "scout"]:
        await ServerQuick.RunSliceAsync(model).ConfigureAwait(false);
        return 0;
    case ["--quick", "constraint", string model]:
        await ConstrainedQuick.RunAsync(model).ConfigureAwait(false);
        return 0;
    case ["--peers", ..]:
        return await PeerCommand.RunAsync(args.AsSpan(1)).ConfigureAwait(false);
    case ["--roofline", string path, ..] when args.Length < 4:
        RooflinePicture.Run(path, args.Length < 3 ? "" : args[2]);
        return 0;
    case ["--quick", ..]:
        Console.Error.WriteLine("Quick benchmarks: matmul, attention [THREADS [RECORD]], pack, affine [int8 [THREADS [PRODUCT]]], product FORMAT [THREADS [OUTxIN [RECORD]]], decode, vision, int4-device [--emulator], emulator, team, steps MODEL [THREADS], serving MODEL, neighbour MODEL, server MODEL [scout], constraint MODEL");
        return 2;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(MatMulQuick).Assembly).Run(args, RoofColumn.Config);
        return 0;
}
