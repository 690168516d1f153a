using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

internal static unsafe partial class NativeMethods
{
    /// <summary>Takes commands for the transport; null when there are none.</summary>
    internal static RaftStatus NodeOutboundTake(
        NodeHandle node, int maxItems, int maxBytes, out BatchHandle? batch)
    {
        using var lease = new Lease(node);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_node_outbound_take(
            lease.Pointer, (nuint)maxItems, (nuint)maxBytes, (IntPtr)(&taken));
        batch = taken == IntPtr.Zero ? null : new BatchHandle(taken);
        return (RaftStatus)status;
    }

    /// <summary>The commands of a batch; valid until it is released.</summary>
    internal static ReadOnlySpan<NrgOutbound.Unmanaged> BatchOutbound(BatchHandle batch)
    {
        using var lease = new Lease(batch);
        nuint count = 0;
        IntPtr records = Interop.nrg_batch_outbound(lease.Pointer, (IntPtr)(&count));
        return new ReadOnlySpan<NrgOutbound.Unmanaged>((void*)records, checked((int)count));
    }

    internal static RaftStatus NodeDeliverBatch(
        NodeHandle node, ReadOnlySpan<byte> packed, ReadOnlySpan<NrgInbound.Unmanaged> messages)
    {
        using var lease = new Lease(node);
        fixed (byte* data = packed)
        fixed (NrgInbound.Unmanaged* records = messages)
        {
            return (RaftStatus)Interop.nrg_node_deliver_batch(
                lease.Pointer,
                (IntPtr)data,
                (nuint)packed.Length,
                (IntPtr)records,
                (nuint)messages.Length);
        }
    }

    internal static RaftStatus NodeSubscribeFailed(NodeHandle node, ulong subscription)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_subscribe_failed(lease.Pointer, subscription);
    }

    internal static RaftStatus NodeTransportReset(NodeHandle node)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_transport_reset(lease.Pointer);
    }

    internal static RaftStatus NodeSetTrafficAccount(NodeHandle node, RaftTrafficAccount account)
    {
        using var lease = new Lease(node);
        byte[] name = Encoding.UTF8.GetBytes(account.Name);
        fixed (byte* start = name)
        {
            return (RaftStatus)Interop.nrg_node_set_traffic_account(
                lease.Pointer,
                (IntPtr)start,
                (nuint)name.Length,
                account.IsSystem ? Nrg.NRG_ACCOUNT_SYSTEM : 0);
        }
    }

    internal static RaftStatus NodeTrafficAccount(
        NodeHandle node, out string name, out bool isSystem)
    {
        using var lease = new Lease(node);
        byte[] room = new byte[128];
        uint system = 0;
        nuint needed = 0;
        int status;
        do
        {
            if (needed > (nuint)room.Length)
            {
                room = new byte[needed];
            }

            fixed (byte* start = room)
            {
                status = Interop.nrg_node_traffic_account(
                    lease.Pointer,
                    (IntPtr)(&system),
                    (IntPtr)start,
                    (nuint)room.Length,
                    (IntPtr)(&needed));
            }
        }
        while (status == Nrg.NRG_STATUS_BUFFER_TOO_SMALL);

        isSystem = system != 0;
        name = status == Nrg.NRG_STATUS_OK ? Encoding.UTF8.GetString(room, 0, (int)needed) : "";
        return (RaftStatus)status;
    }

    internal static RaftStatus RuntimeWake(RuntimeHandle runtime)
    {
        using var lease = new Lease(runtime);
        return (RaftStatus)Interop.nrg_runtime_wake(lease.Pointer);
    }
}
