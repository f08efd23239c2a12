using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>
/// Linking. An image is the text of all inputs, with the prototypes in front: names that are not exported clash as if they
/// were, and variables of another input cannot be used. Register limits are not kept in an image.
/// </content>
public sealed unsafe partial class EmulatedCudaDriver
{
    /// <inheritdoc/>
    public CudaResult LinkCreate(out nint linker, in CudaJitOptions options)
    {
        linker = 0;
        lock (_gate)
        {
            if (!TryCurrentOutsideCapture(out EmulatedContext? context, out CudaResult error))
            {
                return error;
            }
            linker = Add(new EmulatedLinker(context));
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult LinkAddData(nint linker, CudaLinkInput kind, ReadOnlySpan<byte> data, string name)
    {
        lock (_gate)
        {
            if (!TryLinker(linker, out EmulatedLinker? found, out CudaResult error))
            {
                return error;
            }
            if (kind != CudaLinkInput.Ptx || data.IndexOf((byte)0) is var end && end < 0)
            {
                found.Errors.AppendLine($"{name}: the emulator takes PTX text that ends with a zero byte.");
                return CudaResult.InvalidImage;
            }
            string text = Encoding.UTF8.GetString(data[..end]);
            try
            {
                CudaResult fit = CheckTarget(PtxModule.Parse(text), out _, out string reason);
                if (fit != CudaResult.Success)
                {
                    found.Errors.AppendLine($"{name}: {reason}");
                    return fit;
                }
                found.Inputs.Add(text);
                return CudaResult.Success;
            }
            catch (PtxSyntaxException e)
            {
                found.Errors.AppendLine($"{name}: {e.Message}");
                return CudaResult.InvalidPtx;
            }
        }
    }

    /// <inheritdoc/>
    public CudaResult LinkComplete(nint linker, out byte[] image)
    {
        image = [];
        lock (_gate)
        {
            if (!TryLinker(linker, out EmulatedLinker? found, out CudaResult error))
            {
                return error;
            }
            var prototypes = new StringBuilder();
            var rest = new StringBuilder();
            foreach (string input in found.Inputs)
            {
                rest.Append(ExternFunction().Replace(input, match =>
                {
                    prototypes.AppendLine(match.Value);
                    return "";
                })).AppendLine();
            }
            string text = $"{prototypes}{rest}";
            try
            {
                PtxModule module = PtxModule.Parse(text);
                string[] missing = [.. module.Functions.Where(function => !function.Defined).Select(function => function.Name)];
                if (missing.Length > 0)
                {
                    found.Errors.AppendLine($"Undefined reference to '{string.Join("', '", missing)}'.");
                    return CudaResult.InvalidImage;
                }
            }
            catch (PtxSyntaxException e)
            {
                found.Errors.AppendLine($"linked text: {e.Message}");
                return CudaResult.InvalidImage;
            }
            image = Encoding.UTF8.GetBytes(text + "\0");
            return CudaResult.Success;
        }
    }

    /// <inheritdoc/>
    public CudaResult LinkDestroy(nint linker)
    {
        lock (_gate)
        {
            return TryLinker(linker, out _, out CudaResult error) && _objects.Remove(linker) ? CudaResult.Success : error;
        }
    }

    /// <inheritdoc/>
    public CudaJitLog LinkLog(nint linker)
    {
        lock (_gate)
        {
            return new CudaJitLog("", _objects.GetValueOrDefault(linker) is EmulatedLinker found ? found.Errors.ToString() : "");
        }
    }

    private bool TryLinker(nint linker, [NotNullWhen(true)] out EmulatedLinker? found, out CudaResult error)
    {
        found = null;
        if (TryCurrent(out EmulatedContext? context, out error) && !TryFind(context, linker, out found))
        {
            error = CudaResult.InvalidHandle;
        }
        return error == CudaResult.Success;
    }

    [GeneratedRegex(@"\.extern\s+\.func\b[^;{]*;")]
    private static partial Regex ExternFunction();
}
