using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// What a white-box test may do to a live node. Needs the testing build of the library.
/// </summary>
public sealed partial class Raft
{
    /// <summary>Stops the node's inputs, timers and commands.</summary>
    internal void Freeze()
        => Check(NativeMethods.TestNodeFreeze(Handle, frozen: true), nameof(Freeze));

    /// <summary>Lets a frozen node go on.</summary>
    internal void Unfreeze()
        => Check(NativeMethods.TestNodeFreeze(Handle, frozen: false), nameof(Unfreeze));

    /// <summary>
    /// Makes a call on the node panic inside the engine; returns what the caller gets.
    /// </summary>
    internal RaftStatus PanicInCall()
        => NativeMethods.TestInjectFault(Handle, Nrg.NRG_TEST_FAULT_PANIC_IN_CALL);

    /// <summary>Makes the node itself panic, outside any call of the host.</summary>
    internal RaftStatus PanicInNode()
        => NativeMethods.TestInjectFault(Handle, Nrg.NRG_TEST_FAULT_PANIC_IN_NODE);
}

/// <summary>One message as a spy saw it.</summary>
/// <param name="Source">Who sent it; empty for an injected one.</param>
/// <param name="Subject">Its subject.</param>
/// <param name="Reply">The subject for answers; empty when there is none.</param>
/// <param name="Payload">The message itself.</param>
internal sealed record RaftMessage(string Source, string Subject, string Reply, byte[] Payload);

/// <summary>
/// Sees the messages of an in-process network. Needs the testing build of the library.
/// </summary>
internal sealed class LoopbackTap : IDisposable
{
    private readonly TapHandle _handle;

    internal LoopbackTap(LoopbackNetwork network, string pattern)
    {
        ThrowHelper.Check(
            NativeMethods.TestTapOpen(network.Handle, pattern, out TapHandle? handle),
            nameof(LoopbackTap));
        _handle = handle!;
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>What was sent since the last call, in order.</summary>
    internal RaftMessage[] Take()
    {
        ThrowHelper.Check(
            NativeMethods.TestTapTake(_handle, out RaftMessage[] messages), nameof(Take));
        return messages;
    }
}

/// <summary>
/// A node without a driver, for white-box tests: each call settles before it returns. Needs the
/// testing build of the library.
/// </summary>
internal sealed class DetachedRaft : IDisposable
{
    private readonly TestNodeHandle _handle;
    private readonly string _group;

    /// <param name="config">The group; bootstrapped before unless the node is hand-made.</param>
    /// <param name="timing">The timers.</param>
    /// <param name="flags">NRG_TEST_NODE_*: what a hand-made node does without.</param>
    internal DetachedRaft(RaftConfig config, RaftTiming timing, uint flags = 0)
    {
        RaftRuntime.CheckAbi();
        _group = config.Name;
        NrgTuning.Unmanaged tuning = RuntimeConfigs.From(timing);
        RaftStatus status = NativeMethods.TestNodeOpen(
            new NodePlace(config, token: 0), in tuning, flags, out TestNodeHandle? handle);
        ThrowHelper.Check(status, "open a detached node", _group);
        _handle = handle!;
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>The whole state as JSON.</summary>
    internal string Dump()
    {
        Check(NativeMethods.TestNodeDump(_handle, out string json), nameof(Dump));
        return json;
    }

    /// <summary>
    /// Changes fields by a JSON merge patch with the names of <see cref="Dump"/>.
    /// </summary>
    internal void Set(string patch)
        => Check(NativeMethods.TestNodeSet(_handle, patch), nameof(Set));

    /// <summary>
    /// Calls a method by the reference's name in snake case; JSON array in, JSON out.
    /// </summary>
    internal string Call(string name, string arguments = "[]")
    {
        Check(NativeMethods.TestNodeCall(_handle, name, arguments, out string result), name);
        return result;
    }

    internal void DeliverLive(ReadOnlySpan<byte> frame, string reply = "")
        => Deliver(Nrg.NRG_TEST_DELIVER_APPEND_ENTRY, Nrg.NRG_TEST_ORIGIN_LIVE, 0, frame, reply);

    internal void DeliverCatchup(ulong catchup, ReadOnlySpan<byte> frame, string reply = "")
        => Deliver(
            Nrg.NRG_TEST_DELIVER_APPEND_ENTRY, Nrg.NRG_TEST_ORIGIN_CATCHUP, catchup, frame, reply);

    internal void DeliverReplay(ReadOnlySpan<byte> frame)
        => Deliver(Nrg.NRG_TEST_DELIVER_APPEND_ENTRY, Nrg.NRG_TEST_ORIGIN_REPLAY, 0, frame, "");

    internal void DeliverResponse(ReadOnlySpan<byte> frame)
        => Deliver(Nrg.NRG_TEST_DELIVER_RESPONSE, 0, 0, frame, "");

    internal void DeliverVoteRequest(ReadOnlySpan<byte> frame, string reply = "")
        => Deliver(Nrg.NRG_TEST_DELIVER_VOTE_REQUEST, 0, 0, frame, reply);

    internal void DeliverVoteResponse(ReadOnlySpan<byte> frame)
        => Deliver(Nrg.NRG_TEST_DELIVER_VOTE_RESPONSE, 0, 0, frame, "");

    /// <summary>What the node has sent since the last call, in order.</summary>
    internal RaftMessage[] TakeSent()
    {
        RaftStatus status = NativeMethods.TestNodeSentTake(_handle, out RaftMessage[] messages);
        Check(status, nameof(TakeSent));
        return messages;
    }

    /// <summary>Holds back the syncs and what rests on them, or lets them pass.</summary>
    internal void HoldSync(bool hold)
        => Check(NativeMethods.TestNodeHoldSync(_handle, hold), nameof(HoldSync));

    /// <summary>Moves the node's time.</summary>
    internal void Advance(TimeSpan by)
        => Check(NativeMethods.TestNodeAdvance(_handle, by), nameof(Advance));

    private void Deliver(
        uint kind, uint source, ulong catchup, ReadOnlySpan<byte> frame, string reply)
        => Check(
            NativeMethods.TestNodeDeliver(_handle, kind, source, catchup, frame, reply),
            nameof(Deliver));

    private void Check(RaftStatus status, string operation)
        => ThrowHelper.Check(status, operation, _group);
}
