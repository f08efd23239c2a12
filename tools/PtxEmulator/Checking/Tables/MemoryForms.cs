namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Loads, stores and cache control. How to read it: <see cref="FormParser"/>.</summary>
internal static class MemoryForms
{
    public const string Table = """
        ld mmio?=mmio sem?=weak,volatile,relaxed,acquire scope?=@scope space?=@space cop?=ca,cg,cs,lu,cv nc?=nc l1?=@evict l2?=@evict2 hint?=L2::cache_hint pre?=@prefetch vec?=v2,v4,v8 type=@memory | e:~$type*$vec [$space] s:b64?hint |
          mmio -> 8.2
          mmio sem!=relaxed -> error Modifier '.mmio' requires modifier '.relaxed'
          sem=relaxed,acquire !scope -> error Modifier '.$sem' requires scope with 'ld' instruction
          scope sem!=relaxed,acquire -> error Illegal modifier '.$scope' for instruction 'ld'
          nc space!=global -> error Modifier '.nc' requires .global space
          nc sem=volatile,relaxed,acquire -> error Illegal modifier '.nc' for instruction 'ld' with '.$sem'
          cop sem=volatile,relaxed,acquire -> error Illegal modifier '.$cop' for instruction 'ld' with '.$sem'
          l1 space=shared,shared::cta,shared::cluster,local,const,param -> error Illegal modifier '.$l1' for instruction 'ld' with '.$space'
          hint space=shared,shared::cta,shared::cluster,local,const,param -> error Illegal modifier '.$hint' for instruction 'ld' with '.$space'
          l2 vec!=v4,v8 -> error Instruction 'ld' requires '.v8.b32/.v4.b64' type with '.$l2' modifier.
          l2 vec=v4 type!=b64,u64,s64,f64 -> error Instruction 'ld' requires '.v8.b32/.v4.b64' type with '.$l2' modifier.
          vec=v8 type!=b32,u32,s32,f32 -> error Illegal vector size: 8
          type=b128 vec -> error Illegal vector size for type '.b128'
          bits>128 -> sm_100 8.8
          bits>128 space!=global -> error State space incorrect for feature '256 bit wide load/store'
        st mmio?=mmio sem?=weak,volatile,relaxed,release scope?=@scope space?=global,shared,shared::cta,shared::cluster,local,param,param::func cop?=wb,cg,cs,wt l1?=@evict l2?=@evict2 hint?=L2::cache_hint vec?=v2,v4,v8 type=@memory | [$space] s:~$type*$vec s:b64?hint |
          mmio -> 8.2
          mmio sem!=relaxed -> error Modifier '.mmio' requires modifier '.relaxed'
          sem=relaxed,release !scope -> error Modifier '.$sem' requires scope with 'st' instruction
          scope sem!=relaxed,release -> error Illegal modifier '.$scope' for instruction 'st'
          cop sem=volatile,relaxed,release -> error Illegal modifier '.$cop' for instruction 'st' with '.$sem'
          l1 space=shared,shared::cta,shared::cluster,local,param -> error Illegal modifier '.$l1' for instruction 'st' with '.$space'
          hint space=shared,shared::cta,shared::cluster,local,param -> error Illegal modifier '.$hint' for instruction 'st' with '.$space'
          l2 vec!=v4,v8 -> error Instruction 'st' requires '.v8.b32/.v4.b64' type with '.$l2' modifier.
          l2 vec=v4 type!=b64,u64,s64,f64 -> error Instruction 'st' requires '.v8.b32/.v4.b64' type with '.$l2' modifier.
          vec=v8 type!=b32,u32,s32,f32 -> error Illegal vector size: 8
          type=b128 vec -> error Illegal vector size for type '.b128'
          bits>128 -> sm_100 8.8
          bits>128 space!=global -> error State space incorrect for feature '256 bit wide load/store'
        ldu space?=global vec?=v2,v4 type=@memory | e:~$type*$vec [$space] |
        st.async weak?=weak space=shared::cluster completion_mechanism=mbarrier::complete_tx::bytes vec?=v2,v4 type=b32,b64,u32,u64,s32,s64,f32,f64 | [shared] s:$type*$vec [shared] | sm_90 8.1
          bits>128 -> error Illegal vector size for instruction 'st.async'
        red.async sem?=relaxed scope?=cluster space=shared::cluster completion_mechanism=mbarrier::complete_tx::bytes op=inc,dec type=u32 | [shared] s:$type [shared] | sm_90 8.1
        red.async sem?=relaxed scope?=cluster space=shared::cluster completion_mechanism=mbarrier::complete_tx::bytes op=min,max type=u32,s32 | [shared] s:$type [shared] | sm_90 8.1
        red.async sem?=relaxed scope?=cluster space=shared::cluster completion_mechanism=mbarrier::complete_tx::bytes op=and,or,xor type=b32 | [shared] s:$type [shared] | sm_90 8.1
        red.async sem?=relaxed scope?=cluster space=shared::cluster completion_mechanism=mbarrier::complete_tx::bytes op=add type=u32,s32,u64 | [shared] s:$type [shared] | sm_90 8.1
        createpolicy.fractional primary=L2::evict_last,L2::evict_normal,L2::evict_first,L2::evict_unchanged secondary?=L2::evict_first,L2::evict_unchanged type=b64 | d:b64 s:f32? | sm_80 7.4
        createpolicy.range space?=global primary=L2::evict_last,L2::evict_normal,L2::evict_first,L2::evict_unchanged secondary?=L2::evict_first,L2::evict_unchanged type=b64 | d:b64 [global] s:u32 s:u32 | sm_80 7.4
        createpolicy.cvt .L2 type=b64 | d:b64 s:b64 | sm_80 7.4
        prefetch space?=global,local level=L1,L2,L2::evict_last,L2::evict_normal | [$space] |
          level=L2::evict_last,L2::evict_normal -> sm_80 7.4
          level=L2::evict_last,L2::evict_normal space=local -> error State space incorrect for instruction 'prefetch'
        prefetch space?=const,param .tensormap | [$space] | sm_90 8.0
        prefetchu .L1 | [generic] |
        applypriority space?=global .L2::evict_normal | [$space] i:u32{128} | sm_80 7.4
        discard space?=global .L2 | [$space] i:u32{128} | sm_80 7.4
        """;
}
