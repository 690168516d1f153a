using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>Owns a listener on an in-process network, of the testing flavour.</summary>
internal sealed class TapHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal TapHandle(IntPtr pointer)
        : base(ownsHandle: true) => SetHandle(pointer);

    protected override bool ReleaseHandle()
        => (RaftStatus)Interop.nrg_test_loopback_tap_free(handle) == RaftStatus.Ok;
}

internal static unsafe partial class NativeMethods
{
    internal static RaftStatus TestNodeOpen(
        RuntimeHandle runtime, NodePlace place, uint flags, out NodeHandle? node)
    {
        NrgNodeConfig.Unmanaged config = place.Config;
        IntPtr opened = IntPtr.Zero;
        int status;
        bool held = false;
        node = null;
        try
        {
            // As when a node with a driver is opened: the call's lease becomes the node's.
            runtime.DangerousAddRef(ref held);
            fixed (byte* name = place.GroupName)
            fixed (byte* root = place.StoreRoot)
            {
                config.group_name_ptr = (IntPtr)name;
                config.store_root_ptr = (IntPtr)root;
                status = Interop.nrg_test_node_open(
                    runtime.DangerousGetHandle(), (IntPtr)(&config), flags, (IntPtr)(&opened));
            }

            node = opened == IntPtr.Zero ? null : new NodeHandle(opened, runtime);
        }
        finally
        {
            if (held && node is null)
            {
                runtime.DangerousRelease();
            }
        }

        return (RaftStatus)status;
    }

    internal static RaftStatus TestTapOpen(
        LoopbackHandle network, string pattern, out TapHandle? tap)
    {
        using var lease = new Lease(network);
        IntPtr pointer = lease.Pointer;
        byte[] bytes = Encoding.UTF8.GetBytes(pattern);
        IntPtr opened = IntPtr.Zero;
        IntPtr openedOut = (IntPtr)(&opened);
        int status;
        fixed (byte* start = bytes)
        {
            IntPtr subject = (IntPtr)start;
            status = Testing(() => Interop.nrg_test_loopback_tap_open(
                pointer, subject, (nuint)bytes.Length, openedOut));
        }

        tap = opened == IntPtr.Zero ? null : new TapHandle(opened);
        return (RaftStatus)status;
    }

    internal static RaftStatus TestTapTake(TapHandle tap, out RaftMessage[] messages)
    {
        using var lease = new Lease(tap);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_test_loopback_tap_take(lease.Pointer, (IntPtr)(&taken));
        messages = Messages(taken);
        return (RaftStatus)status;
    }

    internal static RaftStatus TestInject(
        LoopbackHandle network,
        string subject,
        string reply,
        ReadOnlySpan<byte> payload,
        out int receivers)
    {
        using var lease = new Lease(network);
        IntPtr pointer = lease.Pointer;
        byte[] subjectBytes = Encoding.UTF8.GetBytes(subject);
        byte[] replyBytes = Encoding.UTF8.GetBytes(reply);
        nuint payloadLength = (nuint)payload.Length;
        nuint count = 0;
        IntPtr countOut = (IntPtr)(&count);
        int status;
        fixed (byte* subjectStart = subjectBytes)
        fixed (byte* replyStart = replyBytes)
        fixed (byte* payloadStart = payload)
        {
            var starts = (
                Subject: (IntPtr)subjectStart,
                Reply: (IntPtr)replyStart,
                Payload: (IntPtr)payloadStart);
            status = Testing(() => Interop.nrg_test_loopback_inject(
                pointer,
                starts.Subject,
                (nuint)subjectBytes.Length,
                starts.Reply,
                (nuint)replyBytes.Length,
                starts.Payload,
                payloadLength,
                countOut));
        }

        receivers = checked((int)count);
        return (RaftStatus)status;
    }

    internal static RaftStatus TestSetRule(
        LoopbackHandle network,
        string pattern,
        ulong leader,
        ReadOnlySpan<ulong> peers,
        ReadOnlySpan<uint> partitions)
    {
        using var lease = new Lease(network);
        IntPtr pointer = lease.Pointer;
        byte[] subjectBytes = Encoding.UTF8.GetBytes(pattern);
        nuint count = (nuint)peers.Length;
        fixed (byte* subject = subjectBytes)
        fixed (ulong* peersStart = peers)
        fixed (uint* partitionsStart = partitions)
        {
            var starts = (
                Subject: (IntPtr)subject,
                Peers: (IntPtr)peersStart,
                Partitions: (IntPtr)partitionsStart);
            return (RaftStatus)Testing(() => Interop.nrg_test_loopback_set_rule(
                pointer,
                starts.Subject,
                (nuint)subjectBytes.Length,
                leader,
                0,
                starts.Peers,
                count,
                starts.Partitions));
        }
    }

    internal static RaftStatus TestRuleFired(LoopbackHandle network, out ulong count)
    {
        using var lease = new Lease(network);
        ulong fired = 0;
        int status = Interop.nrg_test_loopback_rule_fired(lease.Pointer, (IntPtr)(&fired));
        count = fired;
        return (RaftStatus)status;
    }

    /// <summary>The records of a batch, copied; the batch is released.</summary>
    internal static byte[][] Records(IntPtr taken)
    {
        if (taken == IntPtr.Zero)
        {
            return [];
        }

        using var batch = new BatchHandle(taken);
        NrgBatchItem.Unmanaged* items = BatchItems(batch, out int count);
        byte[][] records = new byte[count][];
        for (int at = 0; at < count; at++)
        {
            records[at] = Bytes(items[at].data_ptr, items[at].data_len).ToArray();
        }

        return records;
    }

    /// <summary>The messages of a batch, copied; the batch is released.</summary>
    internal static RaftMessage[] Messages(IntPtr taken)
    {
        if (taken == IntPtr.Zero)
        {
            return [];
        }

        using var batch = new BatchHandle(taken);
        nuint count = 0;
        IntPtr records = Interop.nrg_test_batch_messages(taken, (IntPtr)(&count));
        var found = new ReadOnlySpan<NrgTestMessage.Unmanaged>((void*)records, checked((int)count));
        var messages = new RaftMessage[found.Length];
        for (int at = 0; at < messages.Length; at++)
        {
            ref readonly NrgTestMessage.Unmanaged record = ref found[at];
            messages[at] = new RaftMessage(
                PeerIds.Text(record.source),
                Utf8(record.subject_ptr, record.subject_len),
                Utf8(record.reply_ptr, record.reply_len),
                Bytes(record.payload_ptr, record.payload_len).ToArray());
        }

        return messages;
    }

    private static string Utf8(IntPtr start, nuint length)
        => Encoding.UTF8.GetString(Bytes(start, length));

    private static ReadOnlySpan<byte> Bytes(IntPtr start, nuint length)
        => new((void*)start, checked((int)length));
}
