using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Special registers that do not change while a warp runs.</summary>
internal static unsafe class SpecialRegisters
{
    /// <summary>Width in bits, or 0 for a name that is no such register.</summary>
    public static int Bits(string name) => name switch
    {
        "%tid.x" or "%tid.y" or "%tid.z" or "%ntid.x" or "%ntid.y" or "%ntid.z" or "%ctaid.x" or "%ctaid.y" or "%ctaid.z"
            or "%nctaid.x" or "%nctaid.y" or "%nctaid.z" or "%laneid" or "%warpid" or "%nwarpid" or "%smid" or "%nsmid"
            or "%lanemask_eq" or "%lanemask_lt" or "%lanemask_le" or "%lanemask_gt" or "%lanemask_ge"
            or "%dynamic_smem_size" or "%total_smem_size" or "%aggr_smem_size" or "%reserved_smem_offset_begin" or "%reserved_smem_offset_end"
            or "%reserved_smem_offset_cap" or "%reserved_smem_offset_0" or "%reserved_smem_offset_1" or "WARP_SZ" => 32,
        "%gridid" or "%current_graph_exec" => 64,
        _ => Numbered(name, "%envreg", 32) || Numbered(name, "%pm", 8) ? 32 : Numbered(name.Replace("_64", "", StringComparison.Ordinal), "%pm", 8) ? 64 : 0,
    };

    private static bool Numbered(string name, string prefix, int count) =>
        name.StartsWith(prefix, StringComparison.Ordinal) && int.TryParse(name.AsSpan(prefix.Length), out int number) && number >= 0 && number < count;

    /// <summary>Writes a register's values; counters, the driver's environment and the reserved part of shared memory are zero here.</summary>
    public static void Fill(string name, byte* slot, Warp warp)
    {
        Block block = warp.Block;
        CudaDim3 size = block.Launch.Block;
        for (int lane = 0; lane < 32; lane++)
        {
            int thread = (warp.Index * 32) + lane;
            ulong value = name switch
            {
                "%tid.x" => (ulong)(thread % size.X),
                "%tid.y" => (ulong)(thread / size.X % size.Y),
                "%tid.z" => (ulong)(thread / size.X / size.Y),
                "%ntid.x" => (ulong)size.X,
                "%ntid.y" => (ulong)size.Y,
                "%ntid.z" => (ulong)size.Z,
                "%ctaid.x" => (ulong)block.Position.X,
                "%ctaid.y" => (ulong)block.Position.Y,
                "%ctaid.z" => (ulong)block.Position.Z,
                "%nctaid.x" => (ulong)block.Launch.Grid.X,
                "%nctaid.y" => (ulong)block.Launch.Grid.Y,
                "%nctaid.z" => (ulong)block.Launch.Grid.Z,
                "%laneid" => (ulong)lane,
                "%warpid" => (ulong)warp.Index,
                "%nwarpid" => (ulong)((block.Threads + 31) / 32),
                "%smid" => (ulong)(block.Number % 132),
                "%nsmid" => 132,
                "%lanemask_eq" => 1u << lane,
                "%lanemask_lt" => (1u << lane) - 1,
                "%lanemask_le" => (uint)((2ul << lane) - 1),
                "%lanemask_gt" => ~(uint)((2ul << lane) - 1),
                "%lanemask_ge" => ~((1u << lane) - 1),
                "%dynamic_smem_size" => (ulong)block.Launch.DynamicShared,
                "%total_smem_size" or "%aggr_smem_size" => (ulong)block.SharedBytes,
                "WARP_SZ" => 32,
                _ => 0,
            };
            if (Bits(name) == 64)
            {
                ((ulong*)slot)[lane] = value;
            }
            else
            {
                ((uint*)slot)[lane] = (uint)value;
            }
        }
    }
}
