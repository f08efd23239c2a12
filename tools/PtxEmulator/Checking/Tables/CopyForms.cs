namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Asynchronous copies and tensor maps. How to read it: <see cref="FormParser"/>.</summary>
internal static class CopyForms
{
    public const string Table = """
        cp.async cop=ca dst=shared,shared::cta src=global hint?=L2::cache_hint pre?=@prefetch | [shared] [global] i:u32{4/8/16} s:u32/pred? s:b64?hint | sm_80 7.0
          arg3=pred -> 7.5
        cp.async cop=cg dst=shared,shared::cta src=global hint?=L2::cache_hint pre?=@prefetch | [shared] [global] i:u32{16} s:u32/pred? s:b64?hint | sm_80 7.0
          arg3=pred -> 7.5
        cp.async.commit_group | | sm_80 7.0
        cp.async.wait_all | | sm_80 7.0
        cp.async.wait_group | i:u32 | sm_80 7.0
        cp.async.mbarrier.arrive .noinc? space?=shared,shared::cta type=b64 | [$space] | sm_80 7.0
        cp.async.bulk dst=shared::cluster src=global completion_mechanism=mbarrier::complete_tx::bytes multicast?=multicast::cluster hint?=L2::cache_hint | [shared] [global] s:u32{%16} [shared] s:b16?multicast s:b64?hint | sm_90 8.0
        cp.async.bulk dst=shared::cta src=global completion_mechanism=mbarrier::complete_tx::bytes hint?=L2::cache_hint | [shared] [global] s:u32{%16} [shared] s:b64?hint | sm_90 8.6
        cp.async.bulk dst=shared::cluster src=shared::cta completion_mechanism=mbarrier::complete_tx::bytes | [shared] [shared] s:u32{%16} [shared] | sm_90 8.0
        cp.async.bulk dst=global src=shared::cta .bulk_group hint?=L2::cache_hint mask?=cp_mask | [global] [shared] s:u32{%16} s:b64?hint s:b16?mask | sm_90 8.0
          mask -> sm_100 8.6
        cp.async.bulk.prefetch .L2 src=global hint?=L2::cache_hint | [global] s:u32{%16} s:b64?hint | sm_90 8.0
        cp.async.bulk.commit_group | | sm_90 8.0
        cp.async.bulk.wait_group .read? | i:u32 | sm_90 8.0
        cp.reduce.async.bulk dst=global src=shared::cta .bulk_group hint?=L2::cache_hint op=add noftz?=noftz type=u32,s32,u64,f32,f64,f16,bf16 | [global] [shared] s:u32{%16} s:b64?hint | sm_90 8.0
          type=f16,bf16 !noftz -> error Modifier '.noftz' required for instruction '$name' with type '.$type' and operation '.add'
          noftz type!=f16,bf16 -> error Illegal modifier '.noftz' for instruction '$name'
        cp.reduce.async.bulk dst=global src=shared::cta .bulk_group hint?=L2::cache_hint op=min,max type=u32,s32,u64,s64,f16,bf16 | [global] [shared] s:u32{%16} s:b64?hint | sm_90 8.0
        cp.reduce.async.bulk dst=global src=shared::cta .bulk_group hint?=L2::cache_hint op=inc,dec type=u32 | [global] [shared] s:u32{%16} s:b64?hint | sm_90 8.0
        cp.reduce.async.bulk dst=global src=shared::cta .bulk_group hint?=L2::cache_hint op=and,or,xor type=b32,b64 | [global] [shared] s:u32{%16} s:b64?hint | sm_90 8.0
        cp.reduce.async.bulk dst=shared::cluster src=shared::cta completion_mechanism=mbarrier::complete_tx::bytes op=add type=u32,s32,u64 | [shared] [shared] s:u32{%16} [shared] | sm_90 8.0
        cp.reduce.async.bulk dst=shared::cluster src=shared::cta completion_mechanism=mbarrier::complete_tx::bytes op=min,max type=u32,s32 | [shared] [shared] s:u32{%16} [shared] | sm_90 8.0
        cp.reduce.async.bulk dst=shared::cluster src=shared::cta completion_mechanism=mbarrier::complete_tx::bytes op=inc,dec type=u32 | [shared] [shared] s:u32{%16} [shared] | sm_90 8.0
        cp.reduce.async.bulk dst=shared::cluster src=shared::cta completion_mechanism=mbarrier::complete_tx::bytes op=and,or,xor type=b32 | [shared] [shared] s:u32{%16} [shared] | sm_90 8.0
        cp.async.bulk.tensor dim=1d,2d,3d,4d,5d dst=shared::cluster src=global load?=tile completion_mechanism=mbarrier::complete_tx::bytes multicast?=multicast::cluster group?=cta_group::1,cta_group::2 hint?=L2::cache_hint | [shared] [map*$dim] [shared] s:b16?multicast s:b64?hint | sm_90 8.0
          group -> =sm_100a,sm_101a,sm_103a,sm_110a 8.6
        cp.async.bulk.tensor dim=1d,2d,3d,4d,5d dst=shared::cta src=global load?=tile completion_mechanism=mbarrier::complete_tx::bytes hint?=L2::cache_hint | [shared] [map*$dim] [shared] s:b64?hint | sm_90 8.6
        cp.async.bulk.tensor dim=3d,4d,5d dst=shared::cluster src=global load=im2col completion_mechanism=mbarrier::complete_tx::bytes multicast?=multicast::cluster hint?=L2::cache_hint | [shared] [map*$dim] [shared] s:b16*offsets s:b16?multicast s:b64?hint | sm_90 8.0
        cp.async.bulk.tensor dim=3d,4d,5d dst=shared::cta src=global load=im2col completion_mechanism=mbarrier::complete_tx::bytes hint?=L2::cache_hint | [shared] [map*$dim] [shared] s:b16*offsets s:b64?hint | sm_90 8.6
        cp.async.bulk.tensor dim=2d dst=shared::cluster,shared::cta src=global load=tile::gather4 completion_mechanism=mbarrier::complete_tx::bytes multicast?=multicast::cluster hint?=L2::cache_hint | [shared] [map*5] [shared] s:b16?multicast s:b64?hint | sm_100 8.6
        cp.async.bulk.tensor dim=1d,2d,3d,4d,5d dst=global src=shared::cta store?=tile .bulk_group hint?=L2::cache_hint | [map*$dim] [shared] s:b64?hint | sm_90 8.0
        cp.async.bulk.tensor dim=3d,4d,5d dst=global src=shared::cta store=im2col_no_offs .bulk_group hint?=L2::cache_hint | [map*$dim] [shared] s:b64?hint | sm_90 8.0
        cp.async.bulk.tensor dim=2d dst=global src=shared::cta store=tile::scatter4 .bulk_group hint?=L2::cache_hint | [map*5] [shared] s:b64?hint | =sm_100a,sm_101a,sm_103a,sm_110a 8.6
        cp.reduce.async.bulk.tensor dim=1d,2d,3d,4d,5d dst=global src=shared::cta op=add,min,max,inc,dec,and,or,xor store?=tile .bulk_group hint?=L2::cache_hint | [map*$dim] [shared] s:b64?hint | sm_90 8.0
        cp.reduce.async.bulk.tensor dim=3d,4d,5d dst=global src=shared::cta op=add,min,max,inc,dec,and,or,xor store=im2col_no_offs .bulk_group hint?=L2::cache_hint | [map*$dim] [shared] s:b64?hint | sm_90 8.0
        cp.async.bulk.prefetch.tensor dim=1d,2d,3d,4d,5d .L2 src=global load?=tile hint?=L2::cache_hint | [map*$dim] s:b64?hint | sm_90 8.0
        cp.async.bulk.prefetch.tensor dim=3d,4d,5d .L2 src=global load=im2col hint?=L2::cache_hint | [map*$dim] s:b16*offsets s:b64?hint | sm_90 8.0
        tensormap.replace .tile field=global_address space?=global,shared::cta .b1024 type=b64 | [$space] s:b64 | sm_90a 8.3
        tensormap.replace .tile field=rank space?=global,shared::cta .b1024 type=b32 | [$space] s:b32 | sm_90a 8.3
        tensormap.replace .tile field=box_dim,global_dim,element_stride space?=global,shared::cta .b1024 type=b32 | [$space] i:u32{0..4} s:b32 | sm_90a 8.3
        tensormap.replace .tile field=global_stride space?=global,shared::cta .b1024 type=b64 | [$space] i:u32{0..4} s:b64 | sm_90a 8.3
        tensormap.replace .tile field=elemtype space?=global,shared::cta .b1024 type=b32 | [$space] i:u32{0..15} | sm_90a 8.3
        tensormap.replace .tile field=interleave_layout space?=global,shared::cta .b1024 type=b32 | [$space] i:u32{0..2} | sm_90a 8.3
        tensormap.replace .tile field=swizzle_mode space?=global,shared::cta .b1024 type=b32 | [$space] i:u32{0..4} | sm_90a 8.3
        tensormap.replace .tile field=fill_mode space?=global,shared::cta .b1024 type=b32 | [$space] i:u32{0..1} | sm_90a 8.3
        tensormap.cp_fenceproxy dst=global src=shared::cta .tensormap::generic sem=release scope=@scope .sync .aligned | [global] [shared] i:u32{128} | sm_90 8.3
        """;
}
