namespace ZB.MOM.NatsNet.Server.Native;

internal static unsafe partial class NativeMethods
{
    internal static RaftStatus RuntimeOpen(in NrgRuntimeConfig.Unmanaged config, out IntPtr runtime)
    {
        IntPtr opened = IntPtr.Zero;
        int status;
        fixed (NrgRuntimeConfig.Unmanaged* given = &config)
        {
            status = Interop.nrg_runtime_open((IntPtr)given, (IntPtr)(&opened));
        }

        runtime = opened;
        return (RaftStatus)status;
    }

    /// <summary>Waits for ready nodes; the pump's own call.</summary>
    internal static RaftStatus RuntimePoll(
        IntPtr runtime, uint timeoutMs, Span<NrgReady.Unmanaged> events, out int count)
    {
        nuint found = 0;
        int status;
        fixed (NrgReady.Unmanaged* room = events)
        {
            status = Interop.nrg_runtime_poll(
                runtime, timeoutMs, (IntPtr)room, (nuint)events.Length, (IntPtr)(&found));
        }

        count = (int)found;
        return (RaftStatus)status;
    }

    internal static RaftStatus RuntimeSetTuning(
        RuntimeHandle runtime, in NrgTuning.Unmanaged tuning)
    {
        using var lease = new Lease(runtime);
        fixed (NrgTuning.Unmanaged* given = &tuning)
        {
            return (RaftStatus)Interop.nrg_runtime_set_tuning(lease.Pointer, (IntPtr)given);
        }
    }

    internal static RaftStatus RuntimeSetResourceState(
        RuntimeHandle runtime, bool memoryLogs, bool exhausted)
    {
        using var lease = new Lease(runtime);
        uint kind = memoryLogs ? Nrg.NRG_LOG_MEMORY : Nrg.NRG_LOG_FILE;
        return (RaftStatus)Interop.nrg_runtime_set_resource_state(
            lease.Pointer, kind, exhausted ? 1u : 0u);
    }

    internal static RaftStatus RuntimeSetRoutingReady(RuntimeHandle runtime, bool ready)
    {
        using var lease = new Lease(runtime);
        return (RaftStatus)Interop.nrg_runtime_set_routing_ready(lease.Pointer, ready ? 1u : 0u);
    }

    internal static RaftStatus RuntimeSetPeerOnline(RuntimeHandle runtime, ulong peer, bool online)
    {
        using var lease = new Lease(runtime);
        return (RaftStatus)Interop.nrg_runtime_set_peer_online(
            lease.Pointer, peer, online ? 1u : 0u);
    }

    internal static RaftStatus RuntimeMetrics(
        RuntimeHandle runtime, out NrgMetrics.Unmanaged metrics)
    {
        using var lease = new Lease(runtime);
        NrgMetrics.Unmanaged read = default;
        read.struct_size = (uint)sizeof(NrgMetrics.Unmanaged);
        int status = Interop.nrg_runtime_metrics(lease.Pointer, (IntPtr)(&read));
        metrics = read;
        return (RaftStatus)status;
    }

    /// <summary>Takes log records; null when there are none.</summary>
    internal static RaftStatus RuntimeLogTake(
        RuntimeHandle runtime, int maxItems, out BatchHandle? batch)
    {
        using var lease = new Lease(runtime);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_runtime_log_take(lease.Pointer, (nuint)maxItems, (IntPtr)(&taken));
        batch = taken == IntPtr.Zero ? null : new BatchHandle(taken);
        return (RaftStatus)status;
    }

    /// <summary>The log records of a batch; valid until it is released.</summary>
    internal static ReadOnlySpan<NrgLogRecord.Unmanaged> LogRecords(BatchHandle batch)
    {
        using var lease = new Lease(batch);
        nuint count = 0;
        IntPtr records = Interop.nrg_batch_log_records(lease.Pointer, (IntPtr)(&count));
        return new ReadOnlySpan<NrgLogRecord.Unmanaged>((void*)records, checked((int)count));
    }

    /// <summary>Takes times of single syncs, in nanoseconds.</summary>
    internal static RaftStatus RuntimeSyncTimesTake(
        RuntimeHandle runtime, Span<ulong> times, out int count)
    {
        using var lease = new Lease(runtime);
        nuint taken = 0;
        int status;
        fixed (ulong* room = times)
        {
            status = Interop.nrg_runtime_sync_times_take(
                lease.Pointer, (IntPtr)room, (nuint)times.Length, (IntPtr)(&taken));
        }

        count = (int)taken;
        return (RaftStatus)status;
    }

    internal static RaftStatus RuntimeShutdown(RuntimeHandle runtime)
    {
        using var lease = new Lease(runtime);
        return (RaftStatus)Interop.nrg_runtime_shutdown(lease.Pointer);
    }

    internal static RaftStatus RuntimeFree(IntPtr runtime)
        => (RaftStatus)Interop.nrg_runtime_free(runtime);
}
