using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>Owns a detached node of the testing flavour.</summary>
internal sealed class TestNodeHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal TestNodeHandle(IntPtr pointer)
        : base(ownsHandle: true) => SetHandle(pointer);

    protected override bool ReleaseHandle()
        => (RaftStatus)Interop.nrg_test_node_free(handle) == RaftStatus.Ok;
}

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
        NodePlace place, in NrgTuning.Unmanaged tuning, uint flags, out TestNodeHandle? node)
    {
        NrgNodeConfig.Unmanaged config = place.Config;
        NrgNodeConfig.Unmanaged* given = &config;
        IntPtr opened = IntPtr.Zero;
        IntPtr openedOut = (IntPtr)(&opened);
        int status;
        fixed (byte* name = place.GroupName)
        fixed (byte* root = place.StoreRoot)
        fixed (NrgTuning.Unmanaged* timers = &tuning)
        {
            config.group_name_ptr = (IntPtr)name;
            config.store_root_ptr = (IntPtr)root;
            IntPtr timersStart = (IntPtr)timers;
            status = Testing(() => Interop.nrg_test_node_open(
                (IntPtr)given, timersStart, flags, openedOut));
        }

        node = opened == IntPtr.Zero ? null : new TestNodeHandle(opened);
        return (RaftStatus)status;
    }

    internal static RaftStatus TestNodeDump(TestNodeHandle node, out string json)
    {
        using var lease = new Lease(node);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_test_node_dump(lease.Pointer, (IntPtr)(&taken));
        json = OnlyText(taken);
        return (RaftStatus)status;
    }

    internal static RaftStatus TestNodeSet(TestNodeHandle node, string patch)
    {
        using var lease = new Lease(node);
        byte[] bytes = Encoding.UTF8.GetBytes(patch);
        fixed (byte* start = bytes)
        {
            return (RaftStatus)Interop.nrg_test_node_set(
                lease.Pointer, (IntPtr)start, (nuint)bytes.Length);
        }
    }

    internal static RaftStatus TestNodeCall(
        TestNodeHandle node, string name, string arguments, out string result)
    {
        using var lease = new Lease(node);
        byte[] nameBytes = Encoding.UTF8.GetBytes(name);
        byte[] argumentBytes = Encoding.UTF8.GetBytes(arguments);
        IntPtr taken = IntPtr.Zero;
        int status;
        fixed (byte* nameStart = nameBytes)
        fixed (byte* argumentStart = argumentBytes)
        {
            status = Interop.nrg_test_node_call(
                lease.Pointer,
                (IntPtr)nameStart,
                (nuint)nameBytes.Length,
                (IntPtr)argumentStart,
                (nuint)argumentBytes.Length,
                (IntPtr)(&taken));
        }

        result = OnlyText(taken);
        return (RaftStatus)status;
    }

    internal static RaftStatus TestNodeDeliver(
        TestNodeHandle node,
        uint kind,
        uint source,
        ulong catchup,
        ReadOnlySpan<byte> frame,
        string reply)
    {
        using var lease = new Lease(node);
        byte[] replyBytes = Encoding.UTF8.GetBytes(reply);
        fixed (byte* frameStart = frame)
        fixed (byte* replyStart = replyBytes)
        {
            return (RaftStatus)Interop.nrg_test_node_deliver(
                lease.Pointer,
                kind,
                source,
                catchup,
                (IntPtr)frameStart,
                (nuint)frame.Length,
                (IntPtr)replyStart,
                (nuint)replyBytes.Length);
        }
    }

    internal static RaftStatus TestNodeHoldSync(TestNodeHandle node, bool hold)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_test_node_hold_sync(lease.Pointer, hold ? 1u : 0u);
    }

    internal static RaftStatus TestNodeAdvance(TestNodeHandle node, TimeSpan by)
    {
        using var lease = new Lease(node);
        ulong nanos = checked((ulong)(by.Ticks * TimeSpan.NanosecondsPerTick));
        return (RaftStatus)Interop.nrg_test_node_advance(lease.Pointer, nanos);
    }

    internal static RaftStatus TestNodeSentTake(TestNodeHandle node, out RaftMessage[] messages)
    {
        using var lease = new Lease(node);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_test_node_sent_take(lease.Pointer, (IntPtr)(&taken));
        messages = Messages(taken);
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

    /// <summary>The one text of a batch, which is released; empty without a batch.</summary>
    private static string OnlyText(IntPtr taken)
    {
        if (taken == IntPtr.Zero)
        {
            return "";
        }

        using var batch = new BatchHandle(taken);
        NrgBatchItem.Unmanaged* items = BatchItems(batch, out int count);
        return count == 0 ? "" : Utf8(items->data_ptr, items->data_len);
    }

    /// <summary>The messages of a batch, copied; the batch is released.</summary>
    private static RaftMessage[] Messages(IntPtr taken)
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
