namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Tensor instructions: ldmatrix, mma, wgmma. How to read it: <see cref="FormParser"/>.</summary>
internal static class TensorForms
{
    public const string Table = """
        ldmatrix .sync .aligned shape=m8n8 num=x1,x2,x4 trans?=trans space?=shared,shared::cta type=b16 | r:matrix*$num [$space] | sm_75 6.5
        ldmatrix .sync .aligned shape=m16n16 num=x1,x2 .trans space?=shared,shared::cta type=b8 | r:matrix*twice [$space] | sm_100a 8.6
        ldmatrix .sync .aligned shape=m16n16 num=x1,x2 .trans space?=shared,shared::cta to=b8x16 from=b6x16_p32,b4x16_p64 | r:matrix*twice [$space] | sm_100a 8.6
        ldmatrix .sync .aligned shape=m8n16 num=x1,x2,x4 space?=shared,shared::cta to=b8x16 from=b6x16_p32,b4x16_p64 | r:matrix*$num [$space] | sm_100a 8.6
        stmatrix .sync .aligned shape=m8n8 num=x1,x2,x4 trans?=trans space?=shared,shared::cta type=b16 | [$space] r:matrix*$num | sm_90 7.8
        stmatrix .sync .aligned shape=m16n8 num=x1,x2,x4 .trans space?=shared,shared::cta type=b8 | [$space] r:matrix*$num | sm_100a 8.6
        movmatrix .sync .aligned shape=m8n8 .trans type=b16 | d:fragment r:fragment | sm_75 7.8
        mma .sync .aligned shape=m16n8k8 rows=row,col columns=col,row d=f32 a=bf16 b=bf16 c=f32 | r:f32*4 r:fragment*2 r:fragment*1 r:f32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=bf16 b=bf16 c=f32 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k8 rows=row,col columns=col,row d=f32 a=f16 b=f16 c=f32 | r:f32*4 r:fragment*2 r:fragment*1 r:f32*4 | sm_75 6.5
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=f16 b=f16 c=f32 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k8 rows=row,col columns=col,row d=f16 a=f16 b=f16 c=f16 | r:fragment*2 r:fragment*2 r:fragment*1 r:fragment*2 | sm_75 6.5
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f16 a=f16 b=f16 c=f16 | r:fragment*2 r:fragment*4 r:fragment*2 r:fragment*2 | sm_80 7.0
        mma .sync .aligned shape=m16n8k4 rows=row,col columns=col,row d=f32 a=tf32 b=tf32 c=f32 | r:f32*4 r:fragment*2 r:fragment*1 r:f32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k8 rows=row,col columns=col,row d=f32 a=tf32 b=tf32 c=f32 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f32 a=@fp8 b=@fp8 c=f32 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 | sm_89 8.4
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=@fp8 b=@fp8 c=f32 | r:f32*4 r:fragment*2 r:fragment*1 r:f32*4 | sm_89 8.7
        mma .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f16 a=@fp8 b=@fp8 c=f16 | r:fragment*2 r:fragment*4 r:fragment*2 r:fragment*2 | sm_89 8.7
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f16 a=@fp8 b=@fp8 c=f16 | r:fragment*2 r:fragment*2 r:fragment*1 r:fragment*2 | sm_89 8.7
        mma .sync .aligned shape=m8n8k16 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*2 r:fragment*1 r:fragment*1 r:s32*2 | sm_75 6.5
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*4 r:fragment*2 r:fragment*1 r:s32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k32 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*4 r:fragment*4 r:fragment*2 r:s32*4 | sm_80 7.0
        mma .sync .aligned shape=m8n8k32 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*2 r:fragment*1 r:fragment*1 r:s32*2 | sm_75 6.5
        mma .sync .aligned shape=m16n8k32 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*4 r:fragment*2 r:fragment*1 r:s32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k64 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*4 r:fragment*4 r:fragment*2 r:s32*4 | sm_80 7.0
        mma .sync .aligned shape=m8n8k128 rows=row,col columns=col,row d=s32 a=b1 b=b1 c=s32 .xor .popc | r:s32*2 r:fragment*1 r:fragment*1 r:s32*2 | sm_75 7.0
        mma .sync .aligned shape=m16n8k128 rows=row,col columns=col,row d=s32 a=b1 b=b1 c=s32 .xor .popc | r:s32*4 r:fragment*2 r:fragment*1 r:s32*4 | sm_80 7.0
        mma .sync .aligned shape=m16n8k256 rows=row,col columns=col,row d=s32 a=b1 b=b1 c=s32 .xor .popc | r:s32*4 r:fragment*4 r:fragment*2 r:s32*4 | sm_80 7.0
        mma .sync .aligned shape=m8n8k128 rows=row,col columns=col,row d=s32 a=b1 b=b1 c=s32 .and .popc | r:s32*2 r:fragment*1 r:fragment*1 r:s32*2 | sm_80 7.1
        mma .sync .aligned shape=m16n8k128 rows=row,col columns=col,row d=s32 a=b1 b=b1 c=s32 .and .popc | r:s32*4 r:fragment*2 r:fragment*1 r:s32*4 | sm_80 7.1
        mma .sync .aligned shape=m16n8k256 rows=row,col columns=col,row d=s32 a=b1 b=b1 c=s32 .and .popc | r:s32*4 r:fragment*4 r:fragment*2 r:s32*4 | sm_80 7.1
        mma .sync .aligned shape=m8n8k4 rows=row,col columns=col,row round?=@round d=f64 a=f64 b=f64 c=f64 | r:f64*2 r:f64*1 r:f64*1 r:f64*2 | sm_80 7.0
        mma .sync .aligned shape=m16n8k4 rows=row,col columns=col,row round?=@round d=f64 a=f64 b=f64 c=f64 | r:f64*4 r:f64*2 r:f64*1 r:f64*4 | sm_90 7.8
        mma .sync .aligned shape=m16n8k8 rows=row,col columns=col,row round?=@round d=f64 a=f64 b=f64 c=f64 | r:f64*4 r:f64*4 r:f64*2 r:f64*4 | sm_90 7.8
        mma .sync .aligned shape=m16n8k16 rows=row,col columns=col,row round?=@round d=f64 a=f64 b=f64 c=f64 | r:f64*4 r:f64*8 r:f64*4 r:f64*4 | sm_90 7.8
        mma .sync .aligned shape=m8n8k4 alayout=row,col blayout=row,col d=f32 a=f16 b=f16 c=f32 | r:f32*8 r:fragment*2 r:fragment*2 r:f32*8 | sm_70 6.4
        mma .sync .aligned shape=m8n8k4 alayout=row,col blayout=row,col d=f32 a=f16 b=f16 c=f16 | r:f32*8 r:fragment*2 r:fragment*2 r:fragment*4 | sm_70 6.4
        mma .sync .aligned shape=m8n8k4 alayout=row,col blayout=row,col d=f16 a=f16 b=f16 c=f16 | r:fragment*4 r:fragment*2 r:fragment*2 r:fragment*4 | sm_70 6.4
        mma .sync .aligned .kind::f8f6f4 shape=m16n8k32 rows=row,col columns=col,row d=f32 a=@fp6 b=@fp6 c=f32 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 | sm_100a 8.6
          a=e3m2,e2m3,e2m1 -> sm_120a 8.7
          b=e3m2,e2m3,e2m1 -> sm_120a 8.7
        mma .sync .aligned .kind::f8f6f4 shape=m16n8k32 rows=row,col columns=col,row d=f16 a=@fp6 b=@fp6 c=f16 | r:fragment*2 r:fragment*4 r:fragment*2 r:fragment*2 | sm_100a 8.6
          a=e3m2,e2m3,e2m1 -> sm_120a 8.7
          b=e3m2,e2m3,e2m1 -> sm_120a 8.7
        mma .sync .aligned kind=kind::mxf4,kind::mxf4nvf4 .block_scale size?=scale_vec::2X,scale_vec::4X shape=m16n8k64 rows=row,col columns=col,row d=f32 a=e2m1 b=e2m1 c=f32 scale=ue8m0,ue4m3 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 r:fragment*1 s:u16*2 r:fragment*1 s:u16*2 | sm_120a 8.7
        mma .sync .aligned .kind::mxf8f6f4 .block_scale size?=scale_vec::1X shape=m16n8k32 rows=row,col columns=col,row d=f32 a=@fp6 b=@fp6 c=f32 scale=ue8m0 | r:f32*4 r:fragment*4 r:fragment*2 r:f32*4 r:fragment*1 s:u16*2 r:fragment*1 s:u16*2 | sm_120a 8.7
        mma.sp .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=bf16 b=bf16 c=f32 | r:f32*4 r:fragment*2 r:fragment*2 r:f32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=bf16 b=bf16 c=f32 | r:f32*4 r:fragment*2 r:fragment*2 r:f32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f32 a=bf16 b=bf16 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f32 a=bf16 b=bf16 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=f16 b=f16 c=f32 | r:f32*4 r:fragment*2 r:fragment*2 r:f32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=f16 b=f16 c=f32 | r:f32*4 r:fragment*2 r:fragment*2 r:f32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f32 a=f16 b=f16 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f32 a=f16 b=f16 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f16 a=f16 b=f16 c=f16 | r:fragment*2 r:fragment*2 r:fragment*2 r:fragment*2 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f16 a=f16 b=f16 c=f16 | r:fragment*2 r:fragment*2 r:fragment*2 r:fragment*2 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f16 a=f16 b=f16 c=f16 | r:fragment*2 r:fragment*4 r:fragment*4 r:fragment*2 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k32 rows=row,col columns=col,row d=f16 a=f16 b=f16 c=f16 | r:fragment*2 r:fragment*4 r:fragment*4 r:fragment*2 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k8 rows=row,col columns=col,row d=f32 a=tf32 b=tf32 c=f32 | r:f32*4 r:fragment*2 r:fragment*2 r:f32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k8 rows=row,col columns=col,row d=f32 a=tf32 b=tf32 c=f32 | r:f32*4 r:fragment*2 r:fragment*2 r:f32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=tf32 b=tf32 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k16 rows=row,col columns=col,row d=f32 a=tf32 b=tf32 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k32 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*4 r:fragment*2 r:fragment*2 r:s32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k32 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*4 r:fragment*2 r:fragment*2 r:s32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k64 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*4 r:fragment*4 r:fragment*4 r:s32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k64 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s8,u8 b=s8,u8 c=s32 | r:s32*4 r:fragment*4 r:fragment*4 r:s32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k64 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*4 r:fragment*2 r:fragment*2 r:s32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k64 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*4 r:fragment*2 r:fragment*2 r:s32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k128 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*4 r:fragment*4 r:fragment*4 r:s32*4 r:fragment i:u32{0..3} | sm_80 7.1
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k128 rows=row,col columns=col,row satfinite?=satfinite d=s32 a=s4,u4 b=s4,u4 c=s32 | r:s32*4 r:fragment*4 r:fragment*4 r:s32*4 r:fragment i:u32{0..3} | sm_80 8.5
        mma.sp .sync .aligned shape=m16n8k64 rows=row,col columns=col,row d=f32 a=@fp8 b=@fp8 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_89 8.4
        mma.sp::ordered_metadata .sync .aligned shape=m16n8k64 rows=row,col columns=col,row d=f32 a=@fp8 b=@fp8 c=f32 | r:f32*4 r:fragment*4 r:fragment*4 r:f32*4 r:fragment i:u32{0..3} | sm_89 8.5
        wgmma.mma_async .sync .aligned? shape=@wgmma16 d=f32 a=bf16,f16 b=bf16,f16 | r:f32*half r:u64 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} i:s32{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> error Unexpected instruction types specified for '$name'
        wgmma.mma_async .sync .aligned? shape=@wgmma16 d=f32 a=bf16,f16 b=bf16,f16 | r:f32*half r:fragment*4 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> error Unexpected instruction types specified for '$name'
        wgmma.mma_async .sync .aligned? shape=@wgmma16 d=f16 a=f16 b=f16 | r:fragment*quarter r:u64 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} i:s32{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma16 d=f16 a=f16 b=f16 | r:fragment*quarter r:fragment*4 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma8 d=f32 a=tf32 b=tf32 | r:f32*half r:u64 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma8 d=f32 a=tf32 b=tf32 | r:f32*half r:fragment*4 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma32 d=f32 a=@fp8 b=@fp8 | r:f32*half r:u64 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma32 d=f32 a=@fp8 b=@fp8 | r:f32*half r:fragment*4 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma32 d=f16 a=@fp8 b=@fp8 | r:fragment*quarter r:u64 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmma32 d=f16 a=@fp8 b=@fp8 | r:fragment*quarter r:fragment*4 r:u64 s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmmaInt32 d=s32 a=s8,u8 b=s8,u8 satfinite?=satfinite | r:s32*half r:u64 r:u64 s:pred{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> 8.4
        wgmma.mma_async .sync .aligned? shape=@wgmmaInt32 d=s32 a=s8,u8 b=s8,u8 satfinite?=satfinite | r:s32*half r:fragment*4 r:u64 s:pred{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> 8.4
        wgmma.mma_async .sync .aligned? shape=@wgmmaInt256 d=s32 a=b1 b=b1 .and .popc | r:s32*half r:u64 r:u64 s:pred{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async .sync .aligned? shape=@wgmmaInt256 d=s32 a=b1 b=b1 .and .popc | r:s32*half r:fragment*4 r:u64 s:pred{0/1} | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma32 d=f32 a=bf16,f16 b=bf16,f16 | r:f32*half r:u64 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} i:s32{0/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> error Unexpected instruction types specified for '$name'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma32 d=f32 a=bf16,f16 b=bf16,f16 | r:f32*half r:fragment*4 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> error Unexpected instruction types specified for '$name'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma32 d=f16 a=f16 b=f16 | r:fragment*quarter r:u64 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} i:s32{0/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma32 d=f16 a=f16 b=f16 | r:fragment*quarter r:fragment*4 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} i:s32{0/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma16 d=f32 a=tf32 b=tf32 | r:f32*half r:u64 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma16 d=f32 a=tf32 b=tf32 | r:f32*half r:fragment*4 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma64 d=f32 a=@fp8 b=@fp8 | r:f32*half r:u64 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma64 d=f32 a=@fp8 b=@fp8 | r:f32*half r:fragment*4 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma64 d=f16 a=@fp8 b=@fp8 | r:fragment*quarter r:u64 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmma64 d=f16 a=@fp8 b=@fp8 | r:fragment*quarter r:fragment*4 r:u64 r:fragment i:u32{0..3} s:pred{0/1} i:s32{-1/1} i:s32{-1/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
        wgmma.mma_async.sp .sync .aligned? shape=@wgmmaInt64 d=s32 a=s8,u8 b=s8,u8 satfinite?=satfinite | r:s32*half r:u64 r:u64 r:fragment i:u32{0..3} s:pred{0/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> 8.4
        wgmma.mma_async.sp .sync .aligned? shape=@wgmmaInt64 d=s32 a=s8,u8 b=s8,u8 satfinite?=satfinite | r:s32*half r:fragment*4 r:u64 r:fragment i:u32{0..3} s:pred{0/1} | =sm_90a 8.2
          !aligned -> warn '$name' without '.aligned'
          a!=$b -> 8.4
        wgmma.fence .sync .aligned? | | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.commit_group .sync .aligned? | | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
        wgmma.wait_group .sync .aligned? | i:u32 | =sm_90a 8.0
          !aligned -> warn '$name' without '.aligned'
          arg0>7 -> warn 'wgmma.wait_group' takes 0 to 7
        """;
}
