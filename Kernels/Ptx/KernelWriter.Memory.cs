namespace Llama4Kernels.Kernels.Ptx;

/// <content>Accesses, asynchronous copies and what orders them.</content>
internal sealed partial class KernelWriter
{
    /// <summary>A parameter's value; of a view, its address.</summary>
    public void Load(Reg<GlobalAddress> d, Parameter<GlobalAddress> parameter)
    {
        Emit("ld.param.u64", d, $"[{parameter.Name}]");
        Emit("cvta.to.global.u64", d, d);
    }

    /// <summary>How many elements a view has, up to 2³².</summary>
    public void LoadElements(Reg<U32> d, Parameter<GlobalAddress> view) => Emit("ld.param.u32", d, $"[{view.Name}+8]");

    /// <summary>A parameter's value.</summary>
    public void Load(Reg<U32> d, Parameter<U32> parameter) => Emit("ld.param.u32", d, $"[{parameter.Name}]");

    /// <summary>A parameter's value.</summary>
    public void Load(Reg<F32> d, Parameter<F32> parameter) => Emit("ld.param.f32", d, $"[{parameter.Name}]");

    /// <summary>A word from global memory.</summary>
    public void Load(Reg<U32> d, Address<GlobalAddress> from) => Emit("ld.global.b32", d, from);

    /// <summary>Four words from global memory that nobody writes and nobody reads again: they do not stay in L1.</summary>
    public void LoadOnce(Vec4<U32> d, Address<GlobalAddress> from) => Emit("ld.global.nc.L1::no_allocate.v4.u32", d, from);

    /// <summary>A value from global memory.</summary>
    public void Load(Reg<F32> d, Address<GlobalAddress> from) => Emit("ld.global.f32", d, from);

    /// <summary>Two values from global memory.</summary>
    public void Load(Vec2<F32> d, Address<GlobalAddress> from) => Emit("ld.global.v2.f32", d, from);

    /// <summary>Two pairs from global memory.</summary>
    public void Load(Vec2<Bf16x2> d, Address<GlobalAddress> from) => Emit("ld.global.v2.b32", d, from);

    /// <summary>Four values from global memory.</summary>
    public void Load(Vec4<F32> d, Address<GlobalAddress> from) => Emit("ld.global.v4.f32", d, from);

    /// <summary>A value from shared memory.</summary>
    public void Load(Reg<F32> d, Address<SharedAddress> from) => Emit("ld.shared.f32", d, from);

    /// <summary>Two values from shared memory.</summary>
    public void Load(Vec2<F32> d, Address<SharedAddress> from) => Emit("ld.shared.v2.f32", d, from);

    /// <summary>Four values from shared memory.</summary>
    public void Load(Vec4<F32> d, Address<SharedAddress> from) => Emit("ld.shared.v4.f32", d, from);

    /// <summary>Four words from shared memory.</summary>
    public void Load(Vec4<U32> d, Address<SharedAddress> from) => Emit("ld.shared.v4.b32", d, from);

    /// <summary>Four pairs from shared memory.</summary>
    public void Load<T>(Vec4<T> d, Address<SharedAddress> from)
        where T : struct, IPairType => Emit("ld.shared.v4.b32", d, from);

    /// <summary>
    /// Four 8 × 8 matrices: the lanes 8j … 8j + 7 give the addresses of matrix j's rows, 16 bytes each; see <see cref="SharedTiles"/>.
    /// The whole warp takes part.
    /// </summary>
    public void LoadMatrices<T>(Vec4<T> d, Address<SharedAddress> row)
        where T : struct, IRegisterType => Emit("ldmatrix.sync.aligned.m8n8.x4.shared.b16", d, row);

    /// <summary>As <see cref="LoadMatrices{T}"/>, each matrix transposed: a lane gets of column g the rows 2t and 2t + 1.</summary>
    public void LoadTransposedMatrices(Vec4<Bf16x2> d, Address<SharedAddress> row) => Emit("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", d, row);

    /// <summary>A value to shared memory.</summary>
    public void Store(Address<SharedAddress> to, Reg<F32> value) => Emit("st.shared.f32", to, value);

    /// <summary>Four values to shared memory.</summary>
    public void Store(Address<SharedAddress> to, Vec4<F32> values) => Emit("st.shared.v4.f32", to, values);

    /// <summary>Two pairs to shared memory.</summary>
    public void Store(Address<SharedAddress> to, Vec2<Bf16x2> values) => Emit("st.shared.v2.b32", to, values);

    /// <summary>A word to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Reg<U32> value) => Emit("st.global.b32", to, value);

    /// <summary>A value to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Reg<F32> value) => Emit("st.global.f32", to, value);

    /// <summary>Two values to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Vec2<F32> values) => Emit("st.global.v2.f32", to, values);

    /// <summary>Four values to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Vec4<F32> values) => Emit("st.global.v4.f32", to, values);

    /// <summary>A pair to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Reg<Bf16x2> value) => Emit("st.global.b32", to, value);

    /// <summary>Two pairs to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Vec2<F16x2> values) => Emit("st.global.v2.b32", to, values);

    /// <summary>Four pairs to global memory.</summary>
    public void Store(Address<GlobalAddress> to, Vec4<Bf16x2> values) => Emit("st.global.v4.b32", to, values);

    /// <summary>A policy for data that is read once: it leaves L2 before all else.</summary>
    public void EvictFirst(Reg<CachePolicy> d) => Emit("createpolicy.fractional.L2::evict_first.b64", d, "1.0");

    /// <summary>16 bytes on their way from global to shared memory; L1 is passed by.</summary>
    public void CopyAsync(Address<SharedAddress> to, Address<GlobalAddress> from) => Emit("cp.async.cg.shared.global", to, from, 16);

    /// <summary>As <see cref="CopyAsync(Address{SharedAddress}, Address{GlobalAddress})"/>, of so many bytes; the rest of the 16 becomes zero.</summary>
    public void CopyAsync(Address<SharedAddress> to, Address<GlobalAddress> from, Reg<U32> bytes) => Emit("cp.async.cg.shared.global", to, from, 16, bytes);

    /// <summary>As <see cref="CopyAsync(Address{SharedAddress}, Address{GlobalAddress})"/>, with a policy for L2.</summary>
    public void CopyAsync(Address<SharedAddress> to, Address<GlobalAddress> from, Reg<CachePolicy> policy) =>
        Emit("cp.async.cg.shared.global.L2::cache_hint", to, from, 16, policy);

    /// <summary>Ends the thread's group of copies.</summary>
    public void CommitCopies() => Emit("cp.async.commit_group");

    /// <summary>Waits until at most so many of the thread's groups are under way.</summary>
    public void WaitForCopies(int groupsLeft) => Emit("cp.async.wait_group", groupsLeft);

    /// <summary>Orders the block's threads and what they did in shared memory.</summary>
    public void BlockBarrier() => Emit("bar.sync", 0);

    /// <summary>Orders the warp's lanes and what they did in memory.</summary>
    public void WarpBarrier() => Emit("bar.warp.sync", -1);

    /// <summary>
    /// Waits until the grid before has ended and its results are there: before it, nothing may be touched that another grid
    /// writes or reads. Nothing where grids follow one another anyway.
    /// </summary>
    public void WaitForPredecessor()
    {
        if (HasDependentLaunch)
        {
            _waits = true;
            Emit("griddepcontrol.wait");
        }
    }

    /// <summary>Lets the next grid begin, up to its <see cref="WaitForPredecessor"/>. Nothing where grids follow one another anyway.</summary>
    public void LaunchDependents()
    {
        if (HasDependentLaunch)
        {
            Emit("griddepcontrol.launch_dependents");
        }
    }
}
