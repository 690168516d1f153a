using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>The one place where a status of the engine becomes an exception.</summary>
internal static class ThrowHelper
{
    /// <summary>Throws unless the call succeeded.</summary>
    /// <param name="status">What the native function returned.</param>
    /// <param name="operation">The operation, as the caller named it.</param>
    /// <param name="group">The group, if the call concerned one.</param>
    [StackTraceHidden]
    internal static void Check(RaftStatus status, string operation, string? group = null)
    {
        if (status != RaftStatus.Ok)
        {
            Throw(status, operation, group);
        }
    }

    /// <summary>The exception for a status; reads this thread's last native text.</summary>
    /// <param name="status">A status other than Ok.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="group">The group, if one is known.</param>
    /// <returns>The exception to throw.</returns>
    internal static Exception Make(RaftStatus status, string operation, string? group)
        => Make(status, operation, group, HasText(status) ? NativeMethods.LastError() : "");

    /// <summary>The exception for a status whose text is already known.</summary>
    /// <param name="status">A status other than Ok.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="group">The group, if one is known.</param>
    /// <param name="text">The engine's own words; may be empty.</param>
    /// <returns>The exception to throw.</returns>
    internal static Exception Make(RaftStatus status, string operation, string? group, string text)
    {
        string message = Message(status, operation, group, text);
        switch (status)
        {
            case RaftStatus.NullArgument:
            case RaftStatus.InvalidArgument:
            case RaftStatus.InvalidUtf8:
            case RaftStatus.StructTooSmall:
            case RaftStatus.BufferTooSmall:
            case RaftStatus.BadConfig:
            case RaftStatus.BadPeerId:
            case RaftStatus.NoConfig:
                return new ArgumentException(message);

            case RaftStatus.Unsupported:
                return new NotSupportedException(message);

            case RaftStatus.Panic:
            case RaftStatus.Faulted:
                return new RaftFaultedException(message, status, group);

            case RaftStatus.IO:
            case RaftStatus.NoPeerState:
            case RaftStatus.BadDirectory:
            case RaftStatus.EntryStoreFailed:
            case RaftStatus.WriteError:
            case RaftStatus.TruncateBelowCommit:
                return new RaftStorageException(message, status, group, dataIsSafe: true);

            case RaftStatus.EntryLoadFailed:
            case RaftStatus.Corrupt:
            case RaftStatus.CorruptPeers:
            case RaftStatus.SnapshotCorrupt:
                return new RaftStorageException(message, status, group, dataIsSafe: false);

            default:
                return new RaftException(message, status, group);
        }
    }

    /// <summary>The server's own words for a status, empty when it has none.</summary>
    /// <param name="status">The status.</param>
    /// <returns>The text after the operation.</returns>
    internal static string Words(RaftStatus status) => status switch
    {
        RaftStatus.NoConfig => "raft: no config given",
        RaftStatus.NotLeader => "raft: not leader",
        RaftStatus.AlreadyLeader => "raft: already leader",
        RaftStatus.Closed => "raft: node is closed",
        RaftStatus.TooManyPrefs => "raft: stepdown requires at most one preferred new leader",
        RaftStatus.MembershipChange => "raft: membership change in progress",
        RaftStatus.RemoveLastNode => "raft: cannot remove the last peer",
        RaftStatus.PeerNotFound => "raft: peer not found",
        RaftStatus.NodeRemoved => "raft: peer was removed",
        RaftStatus.AdjustBootCluster => "raft: can not adjust boot peer size on established group",
        RaftStatus.NotManaged => "raft: group membership is not managed",
        RaftStatus.NotLeaderless => "raft: group is not leaderless",
        RaftStatus.QuorumPossible => "raft: remaining peers could still reach quorum",
        RaftStatus.RescueBadQuorum => "raft: rescue quorum must be between 1 and current quorum",
        RaftStatus.RescueLeaderKnown => "raft: leader is known",
        RaftStatus.RescueNotVoting => "raft: not a voting member",
        RaftStatus.RescueEmptyLog => "raft: log is empty",
        RaftStatus.LeaderNotReady => "raft: leader has not committed an entry of its term yet",
        RaftStatus.Backlog => "too much waits for its commit; propose again later",
        RaftStatus.NoSnapshot => "raft: no snapshot available",
        RaftStatus.SnapshotInProgress => "raft: snapshot is already in progress",
        RaftStatus.SnapshotAborted => "raft: snapshot was aborted",
        RaftStatus.CatchupsRunning => "raft: snapshot can not be installed while catchups running",
        RaftStatus.SnapshotCorrupt => "raft: snapshot corrupt",
        RaftStatus.BadSnapshotName => "raft: snapshot name could not be parsed",
        RaftStatus.SnapshotMismatch => "snapshot index mismatch",
        RaftStatus.EntryLoadFailed => "raft: could not load entry from WAL",
        RaftStatus.EntryStoreFailed => "raft: could not store entry to WAL",
        RaftStatus.NoPeerState => "raft: no peerstate",
        RaftStatus.Faulted => "the engine of this node panicked before; it is unusable",
        RaftStatus.Undecided =>
            "leadership ended before the commit; it may or may not be committed",
        RaftStatus.NoTransport => "raft: no internal client",
        RaftStatus.TooManyEntries => "raft: append entry can contain a max of 64k entries",
        RaftStatus.BadAppendEntry => "raft: append entry corrupt",
        RaftStatus.CorruptPeers => "raft: corrupt peer state",
        RaftStatus.LeaderLen => "raft: leader should be exactly 8 bytes",
        _ => "",
    };

    [DoesNotReturn]
    [StackTraceHidden]
    private static void Throw(RaftStatus status, string operation, string? group)
        => throw Make(status, operation, group);

    // Plain refusals and the outcomes of the hot path leave the thread's last text alone; the text
    // of an older failure must not be shown with them.
    private static bool HasText(RaftStatus status) => status switch
    {
        RaftStatus.TooLarge or RaftStatus.BufferTooSmall => false,
        RaftStatus.AlreadyOpen or RaftStatus.Unsupported or RaftStatus.SnapshotCorrupt => true,
        < RaftStatus.NotLeader => true,
        >= RaftStatus.IO => true,
        _ => false,
    };

    private static string Message(RaftStatus status, string operation, string? group, string text)
    {
        string words = Words(status);
        string what = text.Contains(words, StringComparison.Ordinal) ? text
            : text.Length == 0 ? words
            : $"{words}: {text}";
        string where = group is null ? operation : $"{operation} in group '{group}'";
        return what.Length == 0 ? $"{where}: {status}" : $"{where}: {what} ({status})";
    }
}
