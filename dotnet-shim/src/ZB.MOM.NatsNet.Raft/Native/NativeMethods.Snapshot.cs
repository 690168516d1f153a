namespace ZB.MOM.NatsNet.Server.Native;

internal static unsafe partial class NativeMethods
{
    internal static RaftStatus SnapshotInstall(
        NodeHandle node, ReadOnlySpan<byte> data, bool force, out ulong freed)
    {
        using var lease = new Lease(node);
        ulong bytes = 0;
        int status;
        fixed (byte* start = data)
        {
            status = Interop.nrg_node_snapshot_install(
                lease.Pointer,
                (IntPtr)start,
                (nuint)data.Length,
                force ? 1u : 0,
                (IntPtr)(&bytes));
        }

        freed = bytes;
        return (RaftStatus)status;
    }

    internal static RaftStatus SnapshotLoad(NodeHandle node, out BatchHandle? snapshot)
    {
        using var lease = new Lease(node);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_node_snapshot_load(lease.Pointer, (IntPtr)(&taken));
        snapshot = Owned(taken);
        return (RaftStatus)status;
    }

    internal static RaftStatus SnapshotSend(NodeHandle node, ReadOnlySpan<byte> data)
    {
        using var lease = new Lease(node);
        fixed (byte* start = data)
        {
            return (RaftStatus)Interop.nrg_node_snapshot_send(
                lease.Pointer, (IntPtr)start, (nuint)data.Length);
        }
    }

    internal static RaftStatus DrainAndReplaySnapshot(NodeHandle node, out bool replayed)
    {
        using var lease = new Lease(node);
        uint answer = 0;
        int status = Interop.nrg_node_drain_and_replay_snapshot(lease.Pointer, (IntPtr)(&answer));
        replayed = answer != 0;
        return (RaftStatus)status;
    }

    internal static RaftStatus NodeReset(NodeHandle node)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_reset(lease.Pointer);
    }

    internal static RaftStatus CheckpointOpen(
        NodeHandle node, bool force, out CheckpointHandle? checkpoint)
    {
        using var lease = new Lease(node);
        IntPtr opened = IntPtr.Zero;
        int status = Interop.nrg_checkpoint_open(
            lease.Pointer, force ? 1u : 0, (IntPtr)(&opened));
        checkpoint = opened == IntPtr.Zero ? null : new CheckpointHandle(opened);
        return (RaftStatus)status;
    }

    internal static RaftStatus CheckpointLoadLast(
        CheckpointHandle checkpoint, out BatchHandle? snapshot)
    {
        using var lease = new Lease(checkpoint);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_checkpoint_load_last(lease.Pointer, (IntPtr)(&taken));
        snapshot = Owned(taken);
        return (RaftStatus)status;
    }

    /// <summary>Takes entries from an index on; null when none are left.</summary>
    internal static RaftStatus CheckpointEntriesTake(
        CheckpointHandle checkpoint,
        ulong from,
        int maxItems,
        int maxBytes,
        out BatchHandle? entries)
    {
        using var lease = new Lease(checkpoint);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_checkpoint_entries_take(
            lease.Pointer, from, (nuint)maxItems, (nuint)maxBytes, (IntPtr)(&taken));
        entries = Owned(taken);
        return (RaftStatus)status;
    }

    internal static RaftStatus CheckpointInstall(
        CheckpointHandle checkpoint, ReadOnlySpan<byte> data, out ulong freed)
    {
        using var lease = new Lease(checkpoint);
        ulong bytes = 0;
        int status;
        fixed (byte* start = data)
        {
            status = Interop.nrg_checkpoint_install(
                lease.Pointer, (IntPtr)start, (nuint)data.Length, (IntPtr)(&bytes));
        }

        freed = bytes;
        return (RaftStatus)status;
    }

    internal static RaftStatus CheckpointAbort(CheckpointHandle checkpoint)
    {
        using var lease = new Lease(checkpoint);
        return (RaftStatus)Interop.nrg_checkpoint_abort(lease.Pointer);
    }

    internal static RaftStatus CheckpointFree(IntPtr checkpoint)
        => (RaftStatus)Interop.nrg_checkpoint_free(checkpoint);

    private static BatchHandle? Owned(IntPtr batch)
        => batch == IntPtr.Zero ? null : new BatchHandle(batch);
}
