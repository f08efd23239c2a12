namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Atomic operations and reductions. How to read it: <see cref="FormParser"/>.</summary>
internal static class AtomicForms
{
    public const string Table = """
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=add hint?=L2::cache_hint type=u32,s32,u64,f32,f64 | D:$type [$space] s:$type s:b64?hint |
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=inc,dec hint?=L2::cache_hint type=u32 | D:$type [$space] s:$type s:b64?hint |
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=min,max hint?=L2::cache_hint type=u32,s32,u64,s64 | D:$type [$space] s:$type s:b64?hint |
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=and,or,xor hint?=L2::cache_hint type=b32,b64 | D:$type [$space] s:$type s:b64?hint |
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=exch hint?=L2::cache_hint type=b32,b64,b128 | D:$type [$space] s:$type s:b64?hint |
          type=b128 -> sm_90 8.3
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=cas hint?=L2::cache_hint type=b16,b32,b64,b128 | D:$type [$space] s:$type s:$type s:b64?hint |
          type=b16 -> 6.3
          type=b128 -> sm_90 8.3
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global,shared,shared::cta,shared::cluster op=add noftz?=noftz hint?=L2::cache_hint type=f16,f16x2,bf16,bf16x2 | D:$type [$space] s:$type s:b64?hint |
          !noftz -> error '.noftz' modifier required for instruction 'atom' with type '.$type'
          type=f16 -> 6.3
          type=f16x2 -> 6.2
          type=bf16,bf16x2 -> sm_90 7.8
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global op=add hint?=L2::cache_hint vec=v2,v4 type=f32 | e:$type*$vec [$space] s:$type*$vec s:b64?hint | sm_90 8.1
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global op=add,min,max noftz?=noftz hint?=L2::cache_hint vec=v2,v4 type=f16x2,bf16x2 | e:$type*$vec [$space] s:$type*$vec s:b64?hint | sm_90 8.1
          !noftz -> error '.noftz' modifier required for instruction 'atom' with type '.$type'
        atom sem?=relaxed,acquire,release,acq_rel scope?=@scope space?=global op=add,min,max noftz?=noftz hint?=L2::cache_hint vec=v2,v4,v8 type=f16,bf16 | e:$type*$vec [$space] s:$type*$vec s:b64?hint | sm_90 8.1
          !noftz -> error '.noftz' modifier required for instruction 'atom' with type '.$type'
        red sem?=relaxed,release scope?=@scope space?=global,shared,shared::cta,shared::cluster op=add hint?=L2::cache_hint type=u32,s32,u64,f32,f64 | [$space] s:$type s:b64?hint |
        red sem?=relaxed,release scope?=@scope space?=global,shared,shared::cta,shared::cluster op=inc,dec hint?=L2::cache_hint type=u32 | [$space] s:$type s:b64?hint |
        red sem?=relaxed,release scope?=@scope space?=global,shared,shared::cta,shared::cluster op=min,max hint?=L2::cache_hint type=u32,s32,u64,s64 | [$space] s:$type s:b64?hint |
        red sem?=relaxed,release scope?=@scope space?=global,shared,shared::cta,shared::cluster op=and,or,xor hint?=L2::cache_hint type=b32,b64 | [$space] s:$type s:b64?hint |
        red sem?=relaxed,release scope?=@scope space?=global,shared,shared::cta,shared::cluster op=add noftz?=noftz hint?=L2::cache_hint type=f16,f16x2,bf16,bf16x2 | [$space] s:$type s:b64?hint |
          !noftz -> error '.noftz' modifier required for instruction 'red' with type '.$type'
          type=f16 -> 6.3
          type=f16x2 -> 6.2
          type=bf16,bf16x2 -> sm_90 7.8
        red sem?=relaxed,release scope?=@scope space?=global op=add hint?=L2::cache_hint vec=v2,v4 type=f32 | [$space] s:$type*$vec s:b64?hint | sm_90 8.1
        red sem?=relaxed,release scope?=@scope space?=global op=add,min,max noftz?=noftz hint?=L2::cache_hint vec=v2,v4 type=f16x2,bf16x2 | [$space] s:$type*$vec s:b64?hint | sm_90 8.1
          !noftz -> error '.noftz' modifier required for instruction 'red' with type '.$type'
        red sem?=relaxed,release scope?=@scope space?=global op=add,min,max noftz?=noftz hint?=L2::cache_hint vec=v2,v4,v8 type=f16,bf16 | [$space] s:$type*$vec s:b64?hint | sm_90 8.1
          !noftz -> error '.noftz' modifier required for instruction 'red' with type '.$type'
        multimem.ld_reduce sem?=weak,relaxed,acquire scope?=@scope space?=global op=add type=u32,s32,u64 | d:$type [$space] | sm_90 8.1
          !sem -> warn '$name' without semantics
          sem=relaxed,acquire !scope -> warn '$name' without scope
        multimem.ld_reduce sem?=weak,relaxed,acquire scope?=@scope space?=global op=min,max type=u32,s32,u64,s64 | d:$type [$space] | sm_90 8.1
          !sem -> warn '$name' without semantics
          sem=relaxed,acquire !scope -> warn '$name' without scope
        multimem.ld_reduce sem?=weak,relaxed,acquire scope?=@scope space?=global op=and,or,xor type=b32,b64 | d:$type [$space] | sm_90 8.1
          !sem -> warn '$name' without semantics
          sem=relaxed,acquire !scope -> warn '$name' without scope
        multimem.ld_reduce sem?=weak,relaxed,acquire scope?=@scope space?=global op=add vec?=v2,v4 type=f32,f64 | d:$type*$vec [$space] | sm_90 8.1
          !sem -> warn '$name' without semantics
          sem=relaxed,acquire !scope -> warn '$name' without scope
          type=f64 vec -> error Illegal vector size for type '.f64'
        multimem.ld_reduce sem?=weak,relaxed,acquire scope?=@scope space?=global op=add,min,max acc?=acc::f32 vec?=v2,v4,v8 type=f16,bf16,f16x2,bf16x2 | d:$type*$vec [$space] | sm_90 8.1
          acc -> 8.2
          acc op!=add -> error Illegal modifier '.acc::f32' for instruction '$name' with '.$op'
          vec=v8 type=f16x2,bf16x2 -> error Illegal vector size: 8
          !sem -> warn '$name' without semantics
          sem=relaxed,acquire !scope -> warn '$name' without scope
        multimem.ld_reduce sem?=weak,relaxed,acquire scope?=@scope space?=global op=add,min,max acc?=acc::f16 vec?=v2,v4 type=e4m3x4,e5m2x4 | d:$type*$vec [$space] | sm_100a 8.6
        multimem.st sem?=weak,relaxed,release scope?=@scope space?=global vec?=v2,v4,v8 type=u32,s32,b32,u64,s64,b64,f32,f64,f16,bf16,f16x2,bf16x2 | [$space] s:$type*$vec | sm_90 8.1
          bits>128 -> error Illegal vector size for instruction '$name'
          vec=v8 type!=f16,bf16 -> error Illegal vector size: 8
          !sem -> warn '$name' without semantics
          sem=relaxed,release !scope -> warn '$name' without scope
        multimem.red sem?=relaxed,release scope?=@scope space?=global op=add type=u32,s32,u64 | [$space] s:$type | sm_90 8.1
          !sem -> warn '$name' without semantics
          !scope -> warn '$name' without scope
        multimem.red sem?=relaxed,release scope?=@scope space?=global op=min,max type=u32,s32,u64,s64 | [$space] s:$type | sm_90 8.1
          !sem -> warn '$name' without semantics
          !scope -> warn '$name' without scope
        multimem.red sem?=relaxed,release scope?=@scope space?=global op=and,or,xor type=b32,b64 | [$space] s:$type | sm_90 8.1
          !sem -> warn '$name' without semantics
          !scope -> warn '$name' without scope
        multimem.red sem?=relaxed,release scope?=@scope space?=global op=add vec?=v2,v4 type=f32,f64 | [$space] s:$type*$vec | sm_90 8.1
          !sem -> warn '$name' without semantics
          !scope -> warn '$name' without scope
          type=f64 vec -> error Illegal vector size for type '.f64'
        multimem.red sem?=relaxed,release scope?=@scope space?=global op=add,min,max vec?=v2,v4,v8 type=f16,bf16,f16x2,bf16x2 | [$space] s:$type*$vec | sm_90 8.1
          vec=v8 type=f16x2,bf16x2 -> error Illegal vector size: 8
          !sem -> warn '$name' without semantics
          !scope -> warn '$name' without scope
        """;
}
