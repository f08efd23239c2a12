namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Integer and floating-point arithmetic, comparisons, bits. How to read it: <see cref="FormParser"/>.</summary>
internal static class ArithmeticForms
{
    public const string Table = """
        add/sub type=@int | d:$type s:$type s:$type |
        add/sub .sat type=s32 | d:$type s:$type s:$type |
        add/sub .cc type=u32,s32,u64,s64 | d:$type s:$type s:$type |
        add/sub type=u16x2,s16x2 | d:$type s:$type s:$type | sm_90 8.0
        add/sub round?=@round ftz?=ftz sat?=sat type=f32 | d:f32 s:f32 s:f32 |
        add/sub round?=@round type=f64 | d:f64 s:f64 s:f64 |
        add/sub/mul round?=rn ftz?=ftz sat?=sat type=f16,f16x2 | d:$type s:$type s:$type |
        add/sub/mul round?=rn type=bf16,bf16x2 | d:$type s:$type s:$type | sm_90 7.8
        add/sub/mul round?=@round ftz?=ftz type=f32x2 | d:f32x2 s:f32x2 s:f32x2 | sm_100 8.6
        add/sub round?=@round sat?=sat type=f32 atype=f16,bf16 | d:f32 s:$atype s:f32 | sm_100 8.6
        addc/subc cc?=cc type=u32,s32,u64,s64 | d:$type s:$type s:$type |
        mul mode=lo,hi type=@int | d:$type s:$type s:$type |
        mul mode=wide type=u16,s16,u32,s32 | d:2$type s:$type s:$type |
        mul round?=@round ftz?=ftz sat?=sat type=f32 | d:f32 s:f32 s:f32 |
        mul round?=@round type=f64 | d:f64 s:f64 s:f64 |
        mad mode=lo,hi type=@int | d:$type s:$type s:$type s:$type |
        mad mode=hi .sat type=s32 | d:s32 s:s32 s:s32 s:s32 |
        mad mode=lo,hi .cc type=u32,s32,u64,s64 | d:$type s:$type s:$type s:$type |
        mad mode=wide type=u16,s16,u32,s32 | d:2$type s:$type s:$type s:2$type |
        madc mode=lo,hi cc?=cc type=u32,s32,u64,s64 | d:$type s:$type s:$type s:$type |
        mad round=@round ftz?=ftz sat?=sat type=f32 | d:f32 s:f32 s:f32 s:f32 |
        mad round=@round type=f64 | d:f64 s:f64 s:f64 s:f64 |
        mul24 mode=lo,hi type=u32,s32 | d:$type s:$type s:$type |
        mad24 mode=lo,hi type=u32,s32 | d:$type s:$type s:$type s:$type |
        mad24 mode=hi .sat type=s32 | d:s32 s:s32 s:s32 s:s32 |
        sad type=@int | d:$type s:$type s:$type s:$type |
        fma round=@round ftz?=ftz sat?=sat type=f32 | d:f32 s:f32 s:f32 s:f32 |
        fma round=@round type=f64 | d:f64 s:f64 s:f64 s:f64 |
        fma round=@round ftz?=ftz type=f32x2 | d:f32x2 s:f32x2 s:f32x2 s:f32x2 | sm_100 8.6
        fma round=@round sat?=sat type=f32 atype=f16,bf16 | d:f32 s:$atype s:$atype s:f32 | sm_100 8.6
        fma round=rn ftz?=ftz sat?=sat relu?=relu oob?=oob type=f16,f16x2 | d:$type s:$type s:$type s:$type |
          relu -> sm_80 7.0
          oob -> sm_90 8.1
          sat relu -> error Illegal modifier '.relu' for instruction 'fma' with '.sat'
        fma round=rn relu?=relu oob?=oob type=bf16,bf16x2 | d:$type s:$type s:$type s:$type | sm_80 7.0
          oob -> sm_90 8.1
        div/rem type=@int | d:$type s:$type s:$type |
        div round=@round ftz?=ftz type=f32 | d:f32 s:f32 s:f32 |
        div approx=approx,full ftz?=ftz type=f32 | d:f32 s:f32 s:f32 |
        div round=@round type=f64 | d:f64 s:f64 s:f64 |
        abs/neg type=s16,s32,s64,f64 | d:$type s:$type |
        abs/neg ftz?=ftz type=f32 | d:f32 s:f32 |
        abs ftz?=ftz type=f16,f16x2 | d:$type s:$type | sm_70 6.5
        neg ftz?=ftz type=f16,f16x2 | d:$type s:$type | sm_70 6.0
        abs/neg type=bf16,bf16x2 | d:$type s:$type | sm_80 7.0
        min/max type=@int | d:$type s:$type s:$type |
        min/max type=f64 | d:f64 s:f64 s:f64 |
        min/max .relu type=s32 | d:s32 s:s32 s:s32 | sm_90 8.0
        min/max relu?=relu type=s16x2 | d:$type s:$type s:$type | sm_90 8.0
        min/max type=u16x2 | d:$type s:$type s:$type | sm_90 8.0
        min/max ftz?=ftz nan?=NaN xorsign?=xorsign abs?=abs type=f32 | d:f32 s:f32 s:f32 |
          nan -> sm_80 7.0
          xorsign -> sm_86 7.2
          abs !xorsign -> error Illegal modifier '.abs' for instruction '$name'
          xorsign !abs -> error Modifier '.xorsign' requires modifier '.abs'
        min/max ftz?=ftz nan?=NaN abs?=abs type=f32 | d:f32 s:f32 s:f32 s:f32 | sm_100 8.8
        min/max ftz?=ftz nan?=NaN xorsign?=xorsign abs?=abs type=f16,f16x2 | d:$type s:$type s:$type | sm_80 7.0
          xorsign -> sm_86 7.2
          abs !xorsign -> error Illegal modifier '.abs' for instruction '$name'
          xorsign !abs -> error Modifier '.xorsign' requires modifier '.abs'
        min/max nan?=NaN xorsign?=xorsign abs?=abs type=bf16,bf16x2 | d:$type s:$type s:$type | sm_80 7.0
          xorsign -> sm_86 7.2
          abs !xorsign -> error Illegal modifier '.abs' for instruction '$name'
          xorsign !abs -> error Modifier '.xorsign' requires modifier '.abs'
        copysign type=f32,f64 | d:$type s:$type s:$type |
        testp op=finite,infinite,number,notanumber,normal,subnormal type=f32,f64 | d:pred s:$type |
        ex2/lg2 .approx ftz?=ftz type=f32 | d:f32 s:f32 |
        ex2 .approx type=f16,f16x2 | d:$type s:$type | sm_75 7.0
        ex2 .approx .ftz type=bf16,bf16x2 | d:$type s:$type | sm_90 7.8
        sin/cos .approx ftz?=ftz type=f32 | d:f32 s:f32 |
        tanh .approx type=f32,f16,f16x2 | d:$type s:$type | sm_75 7.0
        tanh .approx type=bf16,bf16x2 | d:$type s:$type | sm_90 7.8
        rcp/sqrt .approx ftz?=ftz type=f32 | d:f32 s:f32 |
        rcp/sqrt round=@round ftz?=ftz type=f32 | d:f32 s:f32 |
        rcp/sqrt round=@round type=f64 | d:f64 s:f64 |
        rcp .approx .ftz type=f64 | d:f64 s:f64 |
        rsqrt .approx ftz?=ftz type=f32,f64 | d:$type s:$type |
        and/or/xor type=pred,b16,b32,b64 | d:$type s:$type s:$type |
        not type=pred,b16,b32,b64 | d:$type s:$type |
        cnot type=@bits | d:$type s:$type |
        shl type=@bits | d:$type s:$type s:u32 |
        shr type=b16,b32,b64,u16,u32,u64,s16,s32,s64 | d:$type s:$type s:u32 |
        shf .l mode=wrap,clamp type=b32 | d:b32 s:b32 s:b32 s:b32 |
        shf .r mode=wrap,clamp type=b32 | d:b32 s:b32 s:b32 s:b32 |
        popc/clz type=b32,b64 | d:u32 s:$type |
        brev type=b32,b64 | d:$type s:$type |
        bfind .shiftamt? type=u32,s32,u64,s64 | d:u32 s:$type |
        bfe type=u32,s32,u64,s64 | d:$type s:$type s:u32 s:u32 |
        bfi type=b32,b64 | d:$type s:$type s:$type s:u32 s:u32 |
        fns type=b32 | d:b32 s:b32 s:b32 s:s32 |
        szext mode=clamp,wrap type=u32,s32 | d:$type s:$type s:u32 | sm_70 7.6
        bmsk mode=clamp,wrap type=b32 | d:b32 s:b32 s:b32 | sm_70 7.6
        prmt type=b32 select?=f4e,b4e,rc8,ecl,ecr,rc16 | d:b32 s:b32 s:b32 s:b32 |
        lop3 type=b32 | d:b32 s:b32 s:b32 s:b32 i:b32{0..255} |
        lop3 bool=or,and type=b32 | D:b32|pred s:b32 s:b32 s:b32 i:b32{0..255} s:pred | sm_70 8.2
        dp4a atype=u32,s32 btype=u32,s32 | d:u32 s:$atype s:$btype s:u32 |
        dp2a mode=lo,hi atype=u32,s32 btype=u32,s32 | d:u32 s:$atype s:$btype s:u32 |
        setp compare=@equal bool?=and,or,xor type=@bits | d:pred|?pred s:$type s:$type s:pred?bool |
        setp compare=@order,@unsigned bool?=and,or,xor type=u16,u32,u64 | d:pred|?pred s:$type s:$type s:pred?bool |
        setp compare=@order bool?=and,or,xor type=s16,s32,s64 | d:pred|?pred s:$type s:$type s:pred?bool |
        setp compare=@order,@unordered bool?=and,or,xor ftz?=ftz type=f32,f16,f16x2 | d:pred|?pred s:$type s:$type s:pred?bool |
        setp compare=@order,@unordered bool?=and,or,xor type=f64 | d:pred|?pred s:$type s:$type s:pred?bool |
        setp compare=@order,@unordered bool?=and,or,xor type=bf16,bf16x2 | d:pred|?pred s:$type s:$type s:pred?bool | sm_90 7.8
        set compare=@equal bool?=and,or,xor type=u32,s32,f32 atype=@bits | d:$type s:$atype s:$atype s:pred?bool |
        set compare=@order,@unsigned bool?=and,or,xor type=u32,s32,f32 atype=u16,u32,u64 | d:$type s:$atype s:$atype s:pred?bool |
        set compare=@order bool?=and,or,xor type=u32,s32,f32 atype=s16,s32,s64 | d:$type s:$atype s:$atype s:pred?bool |
        set compare=@order,@unordered bool?=and,or,xor ftz?=ftz type=u32,s32,f32 atype=f32,f64 | d:$type s:$atype s:$atype s:pred?bool |
        set compare=@order,@unordered bool?=and,or,xor ftz?=ftz type=f16,u16,s16,u32,s32 atype=f16 | d:$type s:$atype s:$atype s:pred?bool |
        set compare=@order,@unordered bool?=and,or,xor ftz?=ftz type=f16x2,u32,s32 atype=f16x2 | d:$type s:$atype s:$atype s:pred?bool |
        set compare=@order,@unordered bool?=and,or,xor type=bf16,u16,s16,u32,s32 atype=bf16 | d:$type s:$atype s:$atype s:pred?bool | sm_90 7.8
        set compare=@order,@unordered bool?=and,or,xor type=bf16x2,u32,s32 atype=bf16x2 | d:$type s:$atype s:$atype s:pred?bool | sm_90 7.8
        selp type=@bits,@int,f32,f64 | d:$type s:$type s:$type s:pred |
        slct type=@bits,@int,f32,f64 ctype=s32 | d:$type s:$type s:$type s:s32 |
        slct ftz?=ftz type=@bits,@int,f32,f64 ctype=f32 | d:$type s:$type s:$type s:f32 |
        """;
}
