namespace ZB.MOM.NatsNet.Server.Native;

internal static unsafe partial class NativeMethods
{
    internal static RaftStatus LoopbackOpen(out LoopbackHandle? network)
    {
        IntPtr opened = IntPtr.Zero;
        int status = Interop.nrg_loopback_open((IntPtr)(&opened));
        network = opened == IntPtr.Zero ? null : new LoopbackHandle(opened);
        return (RaftStatus)status;
    }

    internal static RaftStatus LoopbackSetPartition(
        LoopbackHandle network, ulong peer, uint partition)
    {
        using var lease = new Lease(network);
        return (RaftStatus)Interop.nrg_loopback_set_partition(lease.Pointer, peer, partition);
    }

    internal static RaftStatus LoopbackFreeze(LoopbackHandle network, NodeHandle node, bool frozen)
    {
        using var networkLease = new Lease(network);
        using var nodeLease = new Lease(node);
        return (RaftStatus)Interop.nrg_loopback_freeze(
            networkLease.Pointer, nodeLease.Pointer, frozen ? 1u : 0u);
    }

    internal static RaftStatus LoopbackFree(IntPtr network)
        => (RaftStatus)Interop.nrg_loopback_free(network);
}
