namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Read-only registers that every module has.</summary>
internal static class SpecialRegisters
{
    private static readonly Dictionary<string, (string Type, Requirement Needs)> s_known = Table("""
        u32: %laneid %warpid %nwarpid %smid %nsmid %lanemask_eq %lanemask_le %lanemask_lt %lanemask_ge %lanemask_gt %clock %clock_hi %globaltimer_lo
        u32: %globaltimer_hi %dynamic_smem_size %total_smem_size %tid.x %tid.y %tid.z %ntid.x %ntid.y %ntid.z %ctaid.x %ctaid.y %ctaid.z
        u32: %nctaid.x %nctaid.y %nctaid.z %pm0 %pm1 %pm2 %pm3 %pm4 %pm5 %pm6 %pm7
        u64: %gridid %clock64 %globaltimer %pm0_64 %pm1_64 %pm2_64 %pm3_64 %pm4_64 %pm5_64 %pm6_64 %pm7_64
        u64 8.0: %current_graph_exec
        u32 sm_90 7.8: %clusterid.x %clusterid.y %clusterid.z %nclusterid.x %nclusterid.y %nclusterid.z %cluster_ctarank %cluster_nctarank
        u32 sm_90 7.8: %cluster_ctaid.x %cluster_ctaid.y %cluster_ctaid.z %cluster_nctaid.x %cluster_nctaid.y %cluster_nctaid.z
        pred sm_90 7.8: %is_explicit_cluster
        u32 sm_90 8.1: %aggr_smem_size
        u32 sm_80 7.6: %reserved_smem_offset_begin %reserved_smem_offset_end %reserved_smem_offset_cap %reserved_smem_offset_0 %reserved_smem_offset_1
        """);

    /// <summary>Registers of four parts: they need a component.</summary>
    public static bool IsVector(string name) => s_known.ContainsKey(name + ".x");

    /// <summary>Type and needs of a special register.</summary>
    public static bool TryGet(string name, out string type, out Requirement needs)
    {
        if (name.StartsWith("%envreg", StringComparison.Ordinal) && int.TryParse(name.AsSpan(7), out int number) && number is >= 0 and < 32)
        {
            (type, needs) = ("b32", Requirement.None);
            return true;
        }
        bool known = s_known.TryGetValue(name, out (string Type, Requirement Needs) found);
        (type, needs) = known ? found : ("", Requirement.None);
        return known;
    }

    private static Dictionary<string, (string Type, Requirement Needs)> Table(string text)
    {
        var table = new Dictionary<string, (string Type, Requirement Needs)>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            string[] halves = line.Split(": ");
            string[] words = halves[0].Split(' ');
            Requirement needs = Requirement.Parse(words.Skip(1)) ?? throw new FormatException(line);
            foreach (string name in halves[1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                table.Add(name, (words[0], needs));
            }
        }
        return table;
    }
}
