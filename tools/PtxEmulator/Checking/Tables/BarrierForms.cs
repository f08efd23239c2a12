namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Memory barriers, fences and barriers of threads. How to read it: <see cref="FormParser"/>.</summary>
internal static class BarrierForms
{
    public const string Table = """
        mbarrier.init space?=shared,shared::cta type=b64 | [$space] s:u32 | sm_80 7.0
        mbarrier.inval space?=shared,shared::cta type=b64 | [$space] | sm_80 7.0
        mbarrier.arrive/mbarrier.arrive_drop sem?=release,relaxed scope?=cta,cluster space?=shared,shared::cta type=b64 | D:b64 [$space] s:u32? | sm_80 7.0
          args=3 -> sm_90 7.8
          sem=release -> 8.0
          sem=relaxed -> sm_90 8.6
          sem !scope -> error Modifier '.$sem' requires scope with '$name' instruction
          scope !sem -> error Modifier '.$scope' requires semantics with '$name' instruction
        mbarrier.arrive/mbarrier.arrive_drop sem?=release,relaxed scope?=cta,cluster space=shared::cluster type=b64 | _ [shared] s:u32? | sm_90 8.0
          sem=release -> 8.0
          sem=relaxed -> sm_90 8.6
          sem !scope -> error Modifier '.$sem' requires scope with '$name' instruction
          scope !sem -> error Modifier '.$scope' requires semantics with '$name' instruction
        mbarrier.arrive.noComplete/mbarrier.arrive_drop.noComplete sem?=release scope?=cta,cluster space?=shared,shared::cta type=b64 | D:b64 [$space] s:u32 | sm_80 7.0
          sem=release -> 8.0
          sem=relaxed -> sm_90 8.6
          sem !scope -> error Modifier '.$sem' requires scope with '$name' instruction
          scope !sem -> error Modifier '.$scope' requires semantics with '$name' instruction
        mbarrier.arrive.expect_tx/mbarrier.arrive_drop.expect_tx sem?=release,relaxed scope?=cta,cluster space?=shared,shared::cta type=b64 | D:b64 [$space] s:u32 | sm_90 8.0
          sem=release -> 8.0
          sem=relaxed -> sm_90 8.6
          sem !scope -> error Modifier '.$sem' requires scope with '$name' instruction
          scope !sem -> error Modifier '.$scope' requires semantics with '$name' instruction
        mbarrier.arrive.expect_tx/mbarrier.arrive_drop.expect_tx sem?=release,relaxed scope?=cta,cluster space=shared::cluster type=b64 | _ [shared] s:u32 | sm_90 8.0
          sem=release -> 8.0
          sem=relaxed -> sm_90 8.6
          sem !scope -> error Modifier '.$sem' requires scope with '$name' instruction
          scope !sem -> error Modifier '.$scope' requires semantics with '$name' instruction
        mbarrier.expect_tx/mbarrier.complete_tx sem?=relaxed scope?=cta,cluster space?=shared,shared::cta,shared::cluster type=b64 | [$space] s:u32 | sm_90 8.0
        mbarrier.test_wait sem?=acquire,relaxed scope?=cta,cluster space?=shared,shared::cta type=b64 | d:pred [$space] r:b64 | sm_80 7.0
          sem=acquire -> 8.0
          sem=relaxed -> sm_90 8.6
        mbarrier.test_wait.parity sem?=acquire,relaxed scope?=cta,cluster space?=shared,shared::cta type=b64 | d:pred [$space] s:u32 | sm_80 7.1
          sem=acquire -> 8.0
          sem=relaxed -> sm_90 8.6
        mbarrier.try_wait sem?=acquire,relaxed scope?=cta,cluster space?=shared,shared::cta type=b64 | d:pred [$space] r:b64 s:u32? | sm_90 7.8
          sem=acquire -> 8.0
          sem=relaxed -> sm_90 8.6
        mbarrier.try_wait.parity sem?=acquire,relaxed scope?=cta,cluster space?=shared,shared::cta type=b64 | d:pred [$space] s:u32 s:u32? | sm_90 7.8
          sem=acquire -> 8.0
          sem=relaxed -> sm_90 8.6
        mbarrier.pending_count type=b64 | d:u32 r:b64 | sm_80 7.0
        fence sem?=sc,acq_rel,acquire,release scope?=@scope | |
          !sem -> warn 'fence' without semantics
          !scope -> warn 'fence' without scope
        fence sem=acquire restrict=sync_restrict::shared::cluster scope=cluster | | sm_90 8.6
        fence sem=release restrict=sync_restrict::shared::cta scope=cluster | | sm_90 8.6
        fence.mbarrier_init sem=release scope=cluster | | sm_90 8.0
        fence.proxy/membar.proxy .alias | | sm_70 7.5
        fence.proxy/membar.proxy .async proxied?=global,shared::cta,shared::cluster | | sm_90 8.0
        fence.proxy .async::generic sem=acquire restrict=sync_restrict::shared::cluster scope=cluster | | sm_90 8.6
        fence.proxy .async::generic sem=release restrict=sync_restrict::shared::cta scope=cluster | | sm_90 8.6
        fence.proxy .tensormap::generic sem=release scope=@scope | | sm_90 8.3
        fence.proxy .tensormap::generic sem=acquire scope=@scope | [generic] i:u32{128} | sm_90 8.3
        membar level=cta,gl,sys | |
        bar.sync/bar.cta.sync | s:u32{barrier} s:u32{threads}? |
        bar.arrive/bar.cta.arrive | s:u32{barrier} s:u32{threads} |
        bar.red/bar.cta.red op=popc type=u32 | d:u32 s:u32{barrier} s:u32{threads}? s:pred |
        bar.red/bar.cta.red op=and,or type=pred | d:pred s:u32{barrier} s:u32{threads}? s:pred |
        barrier.sync/barrier.cta.sync .aligned? | s:u32{barrier} s:u32{threads}? |
        barrier.arrive/barrier.cta.arrive .aligned? | s:u32{barrier} s:u32{threads} |
        barrier.red/barrier.cta.red op=popc .aligned? type=u32 | d:u32 s:u32{barrier} s:u32{threads}? s:pred |
        barrier.red/barrier.cta.red op=and,or .aligned? type=pred | d:pred s:u32{barrier} s:u32{threads}? s:pred |
        bar.warp.sync | s:b32 |
        barrier.cluster.arrive sem?=release,relaxed .aligned? | | sm_90 7.8
          sem -> 8.0
        barrier.cluster.wait sem?=acquire .aligned? | | sm_90 7.8
          sem -> 8.0
        vote.sync mode=all,any,uni type=pred | d:pred s:pred s:b32 |
        vote.sync mode=ballot type=b32 | d:b32 s:pred s:b32 |
        vote sync?=sync mode=all,any,uni,ballot type=pred,b32 | * |
          !sync -> error Instruction 'vote' without '.sync' is not supported on .target sm_70 and higher from PTX ISA version 6.4
        shfl.sync mode=idx,up,down,bfly type=b32 | d:b32|?pred r:b32 s:b32 s:b32 s:b32 |
        shfl sync?=sync mode=idx,up,down,bfly type=b32 | * |
          !sync -> error Instruction 'shfl' without '.sync' is not supported on .target sm_70 and higher from PTX ISA version 6.4
        match.any.sync type=b32,b64 | d:b32 s:$type s:b32 |
        match.all.sync type=b32,b64 | d:b32|?pred s:$type s:b32 |
        redux.sync op=add,min,max type=u32,s32 | d:$type s:$type s:b32 | sm_80 7.0
        redux.sync op=and,or,xor type=b32 | d:b32 s:b32 s:b32 | sm_80 7.0
        redux.sync op=min,max abs?=abs nan?=NaN type=f32 | d:f32 s:f32 s:b32 | =sm_100a,sm_101a,sm_103a,sm_110a 8.6
        activemask type=b32 | d:b32 | sm_70 6.2
        elect.sync | D:b32|pred s:b32 | sm_90 8.0
        """;
}
