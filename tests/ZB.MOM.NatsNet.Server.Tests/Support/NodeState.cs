using System.Text.Json;
using System.Text.Json.Serialization;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// Everything inside a detached node at one moment, under the server's field names. Times are
/// nanoseconds of the node's own clock, 0 for the server's zero time; ids are empty for none.
/// </summary>
internal sealed record NodeState
{
    public required string Id { get; init; }
    public required string Group { get; init; }
    public required string Sd { get; init; }
    public required int State { get; init; }
    public required bool LeaderState { get; init; }
    public required string Leader { get; init; }
    public required bool Hasleader { get; init; }
    public required bool Pleader { get; init; }
    public required ulong Term { get; init; }
    public required ulong FastPathTerm { get; init; }
    public required string Vote { get; init; }
    public required ulong Pterm { get; init; }
    public required ulong Pindex { get; init; }
    public required ulong Commit { get; init; }
    public required ulong Processed { get; init; }
    public required ulong Applied { get; init; }
    public required ulong Papplied { get; init; }
    public required ulong Hcommit { get; init; }
    public required ulong Aflr { get; init; }
    public required ulong Bytes { get; init; }
    public required string Snapfile { get; init; }
    public required bool Snapshotting { get; init; }
    public required int Csz { get; init; }
    public required int Qn { get; init; }

    /// <summary>Whether the timer of a quorum rescue runs.</summary>
    public required bool Rescue { get; init; }
    public required bool Initializing { get; init; }
    public required bool ScaleUp { get; init; }
    public required bool Observer { get; init; }
    public required bool Paused { get; init; }
    public required bool Managed { get; init; }
    public required bool QuorumPaused { get; init; }
    public required bool Lxfer { get; init; }
    public required bool MaybeLeader { get; init; }
    public required ulong Now { get; init; }
    public required ulong Etlr { get; init; }
    public required ulong Lsut { get; init; }
    public required string Werr { get; init; }
    public required string Asubj { get; init; }
    public required string Vsubj { get; init; }
    public required string Psubj { get; init; }
    public required string Rpsubj { get; init; }
    public required string Areply { get; init; }
    public required string Vreply { get; init; }
    public required IReadOnlyDictionary<string, PeerRecord> Peers { get; init; }
    public required IReadOnlyDictionary<string, ulong> Removed { get; init; }
    public required IReadOnlyDictionary<string, ulong> Observed { get; init; }
    public required IReadOnlyDictionary<string, ulong> Progress { get; init; }
    public required IReadOnlyDictionary<string, int> Acks { get; init; }
    public required IReadOnlyList<ulong> Pae { get; init; }
    public required CatchupState? Catchup { get; init; }
    public required MembershipChangeState? MembChange { get; init; }
    public required LeadChange? Leadc { get; init; }
    public required WalState Wal { get; init; }

    // Lengths of the queues.
    public required int Prop { get; init; }
    public required int Entry { get; init; }
    public required int Resp { get; init; }
    public required int Apply { get; init; }
    public required int Reqs { get; init; }
    public required int Votes { get; init; }

    /// <summary>The role, spelled.</summary>
    [JsonIgnore]
    public RaftState Role => (RaftState)State;

    internal static NodeState Parse(string json)
        => JsonSerializer.Deserialize<NodeState>(json, Options)
            ?? throw new InvalidOperationException("the node dumped nothing");

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
    };
}

/// <summary>A member as the node holds it: last seen, last index.</summary>
internal sealed record PeerRecord(ulong Ts, ulong Li);

/// <summary>A catch-up of the node: its inbox as a handle, where it began, where it ends.</summary>
internal sealed record CatchupState(
    ulong Sub, ulong Cterm, ulong Cindex, ulong Pterm, ulong Pindex, ulong Active, bool Signal);

/// <summary>
/// An appended, uncommitted change of the membership; a removal keeps the old record.
/// </summary>
internal sealed record MembershipChangeState(ulong Index, string Peer, PeerRecord? Prev);

/// <summary>What the log holds.</summary>
internal sealed record WalState(ulong Msgs, ulong Bytes, ulong First, ulong Last);
