namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Moves and conversions. How to read it: <see cref="FormParser"/>.</summary>
internal static class ConversionForms
{
    public const string Table = """
        mov type=pred | d:pred s:pred |
        mov type=@move | d:$type m:$type |
        mov type=b128 | d:b128 r:b128 |
        mov type=b16,b32,b64,b128 | d:$type pack:$type |
        mov type=b16,b32,b64,b128 | unpack:$type r:$type |
        cvt sat?=sat type=@cvtint atype=@cvtint | d:~$type s:~$atype |
        cvt round=@round sat?=sat type=f16,f32,f64 atype=@cvtint | d:$type s:~$atype |
        cvt round=@round sat?=sat type=bf16 atype=@cvtint | d:bf16 s:~$atype | sm_90 7.8
        cvt round=@rint ftz?=ftz sat?=sat type=@cvtint atype=f16,f32,f64 | d:~$type s:$atype |
        cvt round=@rint sat?=sat type=@cvtint atype=bf16 | d:~$type s:bf16 | sm_90 7.8
        cvt rint?=@rint ftz?=ftz sat?=sat type=f32 atype=f32 | d:f32 s:f32 |
        cvt rint?=@rint ftz?=ftz sat?=sat type=f16 atype=f16 | d:f16 s:f16 |
        cvt rint?=@rint sat?=sat type=bf16 atype=bf16 | d:bf16 s:bf16 | sm_90 7.8
        cvt rint?=@rint sat?=sat type=f64 atype=f64 | d:f64 s:f64 |
        cvt ftz?=ftz sat?=sat type=f32 atype=f16 | d:f32 s:f16 |
        cvt ftz?=ftz sat?=sat type=f64 atype=f32,f16 | d:f64 s:$atype |
        cvt round?=rn,rz,rm,rp sat?=sat type=f32 atype=bf16 | d:f32 s:bf16 | sm_80 7.1
        cvt round?=rn,rz,rm,rp sat?=sat type=f64 atype=bf16 | d:f64 s:bf16 | sm_90 7.8
        cvt round=@round ftz?=ftz sat?=sat type=f32 atype=f64 | d:f32 s:f64 |
        cvt round=@round ftz?=ftz sat?=sat type=f16 atype=f32,f64 | d:f16 s:$atype |
        cvt round=rn,rz .relu satfinite?=satfinite type=f16 atype=f32 | d:f16 s:f32 | sm_80 7.0
          satfinite -> 8.1
        cvt round=rn,rz .satfinite type=f16 atype=f32 | d:f16 s:f32 | sm_80 8.1
        cvt round=rn,rz relu?=relu satfinite?=satfinite type=bf16 atype=f32 | d:bf16 s:f32 | sm_80 7.0
          satfinite -> 8.1
        cvt round=rm,rp type=bf16 atype=f32 | d:bf16 s:f32 | sm_90 7.8
        cvt round=@round sat?=sat type=bf16 atype=f16,f64 | d:bf16 s:$atype | sm_90 7.8
        cvt round=@round sat?=sat type=f16 atype=bf16 | d:f16 s:bf16 | sm_90 7.8
        cvt round=rn,rz relu?=relu satfinite?=satfinite type=bf16x2,f16x2 atype=f32 | d:$type s:f32 s:f32 | sm_80 7.0
          satfinite -> 8.1
        cvt round=rn .satfinite relu?=relu type=e4m3x2,e5m2x2 atype=f32 | d:$type s:f32 s:f32 | sm_89 8.1
        cvt round=rn .satfinite relu?=relu type=e4m3x2,e5m2x2 atype=f16x2 | d:$type s:f16x2 | sm_89 8.1
        cvt round=rn relu?=relu type=f16x2 atype=e4m3x2,e5m2x2 | d:f16x2 s:$atype | sm_89 8.1
        cvt round=rna satfinite?=satfinite type=tf32 atype=f32 | d:tf32 s:f32 | sm_80 7.0
          satfinite -> 8.1
        cvt round=rn,rz relu?=relu satfinite?=satfinite type=tf32 atype=f32 | d:tf32 s:f32 | sm_90 7.8
          satfinite -> sm_100 8.6
        cvt round=rs relu?=relu .satfinite type=e4m3x4,e5m2x4 atype=f32 | d:$type s:f32*4 s:b32 | =sm_100a,sm_103a 8.7
        cvt.pack .sat type=u16,s16 atype=s32 | d:u32 s:s32 s:s32 | sm_75 6.5
        cvt.pack .sat type=u8,s8 atype=s32 ctype=b32 | d:u32 s:s32 s:s32 s:b32 | sm_75 6.5
        cvta .to? space=global,shared,shared::cta,local,const,param,param::entry,shared::cluster type=u64 | d:u64 m:u64 |
          space=param -> 7.7
        isspacep space=global,shared,shared::cta,shared::cluster,local,const,param,param::entry | d:pred r:u64 |
          space=param -> 7.7
        mapa space=shared::cluster type=u32,u64 | d:$type m:$type s:u32 | sm_90 7.8
        mapa type=u64 | d:u64 m:u64 s:u32 | sm_90 7.8
        getctarank space=shared::cluster type=u32,u64 | d:u32 m:$type | sm_90 7.8
        getctarank type=u64 | d:u32 m:u64 | sm_90 7.8
        """;
}
