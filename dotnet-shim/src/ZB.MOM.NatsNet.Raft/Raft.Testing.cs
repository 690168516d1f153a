using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

// What surrounds a node in a white-box test, and how its calls are made. Everything here needs the
// testing build of the library.
public sealed partial class Raft
{
    /// <summary>How long, on the moved clock, a loop is played unless a test says so.</summary>
    private static readonly TimeSpan PlayedAtMost = TimeSpan.FromHours(1);

    /// <summary>The whole state as JSON, under the server's field names.</summary>
    internal string Dump() => Text(Yields(Interop.nrg_test_node_dump));

    /// <summary>
    /// Changes fields by a JSON merge patch with the names of <see cref="Dump"/>.
    /// </summary>
    internal void Set(string patch) => Test(Interop.nrg_test_node_set, Utf8(patch));

    /// <summary>Stops the node's inputs, timers and commands.</summary>
    internal void Freeze() => Test(Interop.nrg_test_node_freeze);

    /// <summary>Lets a frozen node go on.</summary>
    internal void Unfreeze() => Test(Interop.nrg_test_node_unfreeze);

    /// <summary>
    /// Makes a call on the node panic inside the engine; returns what the caller gets.
    /// </summary>
    internal RaftStatus PanicInCall() => Inject(Nrg.NRG_TEST_FAULT_PANIC_IN_CALL);

    /// <summary>Makes the node itself panic, outside any call of the host.</summary>
    internal RaftStatus PanicInNode() => Inject(Nrg.NRG_TEST_FAULT_PANIC_IN_NODE);

    /// <summary>
    /// Hands a message to whatever subscription the node has to a subject; false for none.
    /// </summary>
    internal unsafe bool Inject(string subject, string reply, ReadOnlySpan<byte> payload)
    {
        uint heard = 0;
        IntPtr heardOut = (IntPtr)(&heard);
        Test(
            (node, to, toLength, back, backLength, data, length) => Interop.nrg_test_inject(
                node, to, toLength, back, backLength, data, length, heardOut),
            subject,
            reply,
            payload);
        return heard != 0;
    }

    // The hands of a detached node.

    /// <summary>What a detached node has sent since the last call, in order.</summary>
    internal unsafe RaftMessage[] TakeSent()
    {
        IntPtr taken = IntPtr.Zero;
        IntPtr takenOut = (IntPtr)(&taken);
        Test(node => Interop.nrg_test_spy_take(node, takenOut));
        return NativeMethods.Messages(taken);
    }

    /// <summary>Lets one more peer answer each vote request from now on.</summary>
    internal void AutoAnswer(string peer, bool granted, bool empty)
        => Test(node => Interop.nrg_test_auto_answer(
            node, Peer(peer), Number(granted), Number(empty)));

    /// <summary>Nobody answers vote requests any more.</summary>
    internal void AutoAnswerOff()
        => Test(static node => Interop.nrg_test_auto_answer(node, 0, 0, 0));

    /// <summary>Holds back the syncs and what rests on them, or lets them pass.</summary>
    internal void HoldSync(bool hold)
        => Test(node => Interop.nrg_test_node_hold_sync(node, Number(hold)));

    /// <summary>
    /// Takes all permits to use the disk, so that whoever writes waits, or gives them back.
    /// </summary>
    internal void TakePermits(bool taken)
        => Test(node => Interop.nrg_test_permits(node, Number(taken)));

    /// <summary>Moves the time of the node's runtime.</summary>
    internal void Advance(TimeSpan by)
        => Test(node => Interop.nrg_test_node_advance(node, Nanos(by)));

    /// <summary>One turn of the main loop.</summary>
    internal void Turn() => Test(Interop.nrg_test_turn);

    // Past the protocol.

    /// <summary>Cuts the log itself; the node does not know.</summary>
    internal void WalTruncate(ulong last)
        => Test(node => Interop.nrg_test_wal_truncate(node, last));

    /// <summary>Compacts the log itself; the node does not know.</summary>
    internal void WalCompact(ulong first)
        => Test(node => Interop.nrg_test_wal_compact(node, first));

    /// <summary>
    /// Appends any bytes to the log itself; the node does not know. Their index.
    /// </summary>
    internal unsafe ulong WalStore(ReadOnlySpan<byte> bytes)
    {
        ulong index = 0;
        IntPtr indexOut = (IntPtr)(&index);
        Test(
            (node, start, length) => Interop.nrg_test_wal_store(node, start, length, indexOut),
            bytes);
        return index;
    }

    /// <summary>Makes every cut of the log fail.</summary>
    internal void WalFailTruncate() => Test(Interop.nrg_test_wal_fail_truncate);

    /// <summary>Puts a message at the end of a queue, by the server's name for it.</summary>
    internal void QueuePush(
        string queue, ReadOnlySpan<byte> message, string reply = "", ulong term = 0)
        => Test(
            (node, name, nameLength, back, backLength, data, length)
                => Interop.nrg_test_queue_push(
                    node, name, nameLength, data, length, back, backLength, term),
            queue,
            reply,
            message);

    /// <summary>Empties the queue of proposals.</summary>
    internal (ulong Term, Entry Entry)[] TakeProposals()
        => Array.ConvertAll(
            YieldsAll(Interop.nrg_test_proposals_take),
            static record => (
                BinaryPrimitives.ReadUInt64LittleEndian(record),
                new Entry((EntryType)record[8], record.AsMemory(9))));

    private delegate int BytesCall(IntPtr node, IntPtr start, nuint length);

    private delegate int BytesAsk(IntPtr node, IntPtr start, nuint length, IntPtr answerOut);

    private delegate int TwoCall(
        IntPtr node, IntPtr first, nuint firstLength, IntPtr second, nuint secondLength);

    private delegate int ThreeCall(
        IntPtr node,
        IntPtr first,
        nuint firstLength,
        IntPtr second,
        nuint secondLength,
        IntPtr third,
        nuint thirdLength);

    private delegate int EntriesCall(
        IntPtr node, IntPtr data, nuint length, IntPtr lengths, IntPtr types, nuint count);

    private delegate int EntriesAsk(
        IntPtr node,
        IntPtr data,
        nuint length,
        IntPtr lengths,
        IntPtr types,
        nuint count,
        IntPtr answerOut);

    private RaftStatus Inject(uint fault)
    {
        using var lease = new Lease(Handle);
        return (RaftStatus)Interop.nrg_test_inject_fault(lease.Pointer, fault);
    }

    private void Test(Func<IntPtr, int> call, [CallerMemberName] string operation = "")
    {
        using var lease = new Lease(Handle);
        Check((RaftStatus)call(lease.Pointer), operation);
    }

    private unsafe void Test(
        BytesCall call, ReadOnlySpan<byte> bytes, [CallerMemberName] string operation = "")
    {
        fixed (byte* start = bytes)
        {
            (IntPtr at, nuint length) = ((IntPtr)start, (nuint)bytes.Length);
            Test(node => call(node, at, length), operation);
        }
    }

    private unsafe void Test(
        TwoCall call,
        ReadOnlySpan<byte> first,
        ReadOnlySpan<byte> second,
        [CallerMemberName] string operation = "")
    {
        fixed (byte* start = second)
        {
            (IntPtr at, nuint length) = ((IntPtr)start, (nuint)second.Length);
            Test(
                (node, firstAt, firstLength) => call(node, firstAt, firstLength, at, length),
                first,
                operation);
        }
    }

    private void Test(
        TwoCall call,
        ReadOnlySpan<byte> frame,
        string reply,
        [CallerMemberName] string operation = "")
        => Test(call, frame, Utf8(reply), operation);

    private unsafe void Test(
        ThreeCall call,
        string subject,
        string reply,
        ReadOnlySpan<byte> payload,
        [CallerMemberName] string operation = "")
    {
        fixed (byte* start = payload)
        {
            (IntPtr at, nuint length) = ((IntPtr)start, (nuint)payload.Length);
            Test(
                (node, to, toLength, back, backLength)
                    => call(node, to, toLength, back, backLength, at, length),
                Utf8(subject),
                Utf8(reply),
                operation);
        }
    }

    private unsafe void Test(
        EntriesCall call,
        ReadOnlySpan<Entry> entries,
        [CallerMemberName] string operation = "")
    {
        uint[] lengths = new uint[entries.Length];
        byte[] types = new byte[entries.Length];
        using var packed = new MemoryStream();
        for (int at = 0; at < entries.Length; at++)
        {
            lengths[at] = (uint)entries[at].Data.Length;
            types[at] = (byte)entries[at].Type;
            packed.Write(entries[at].Data.Span);
        }

        nuint count = (nuint)entries.Length;
        fixed (uint* lengthsStart = lengths)
        fixed (byte* typesStart = types)
        {
            (IntPtr lengthsAt, IntPtr typesAt) = ((IntPtr)lengthsStart, (IntPtr)typesStart);
            Test(
                (node, data, length) => call(node, data, length, lengthsAt, typesAt, count),
                packed.ToArray(),
                operation);
        }
    }

    private unsafe bool Asks(
        Func<IntPtr, IntPtr, int> call, [CallerMemberName] string operation = "")
    {
        uint answer = 0;
        IntPtr answerOut = (IntPtr)(&answer);
        Test(node => call(node, answerOut), operation);
        return answer != 0;
    }

    private unsafe bool Asks(
        BytesAsk call, ReadOnlySpan<byte> bytes, [CallerMemberName] string operation = "")
    {
        uint answer = 0;
        IntPtr answerOut = (IntPtr)(&answer);
        Test((node, start, length) => call(node, start, length, answerOut), bytes, operation);
        return answer != 0;
    }

    private unsafe bool Asks(
        EntriesAsk call,
        ReadOnlySpan<Entry> entries,
        [CallerMemberName] string operation = "")
    {
        uint answer = 0;
        IntPtr answerOut = (IntPtr)(&answer);
        Test(
            (node, data, length, lengths, types, count)
                => call(node, data, length, lengths, types, count, answerOut),
            entries,
            operation);
        return answer != 0;
    }

    private unsafe RaftState Plays(
        Func<IntPtr, IntPtr, int> call, [CallerMemberName] string operation = "")
    {
        uint role = 0;
        IntPtr roleOut = (IntPtr)(&role);
        Test(node => call(node, roleOut), operation);
        return (RaftState)role;
    }

    private byte[] Yields(
        Func<IntPtr, IntPtr, int> call, [CallerMemberName] string operation = "")
        => YieldsAll(call, operation)[0];

    private unsafe byte[][] YieldsAll(
        Func<IntPtr, IntPtr, int> call, [CallerMemberName] string operation = "")
    {
        IntPtr taken = IntPtr.Zero;
        IntPtr takenOut = (IntPtr)(&taken);
        Test(node => call(node, takenOut), operation);
        return NativeMethods.Records(taken);
    }

    private unsafe byte[] Yields(
        BytesAsk call, ReadOnlySpan<byte> bytes, [CallerMemberName] string operation = "")
    {
        IntPtr taken = IntPtr.Zero;
        IntPtr takenOut = (IntPtr)(&taken);
        Test((node, start, length) => call(node, start, length, takenOut), bytes, operation);
        return NativeMethods.Records(taken)[0];
    }

    private unsafe byte[] Yields(
        EntriesAsk call,
        ReadOnlySpan<Entry> entries,
        [CallerMemberName] string operation = "")
    {
        IntPtr taken = IntPtr.Zero;
        IntPtr takenOut = (IntPtr)(&taken);
        Test(
            (node, data, length, lengths, types, count)
                => call(node, data, length, lengths, types, count, takenOut),
            entries,
            operation);
        return NativeMethods.Records(taken)[0];
    }

    private static ulong Peer(string id) => PeerIds.Parse(id, nameof(id));

    private static ulong PeerOrNone(string id) => id.Length == 0 ? 0 : Peer(id);

    private static uint Number(bool flag) => flag ? 1u : 0u;

    private static ulong Nanos(TimeSpan time)
        => checked((ulong)(time.Ticks * TimeSpan.NanosecondsPerTick));

    private static ulong Limit(TimeSpan? limit) => Nanos(limit ?? PlayedAtMost);

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(byte[] utf8) => Encoding.UTF8.GetString(utf8);
}
