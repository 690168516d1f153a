namespace ZB.MOM.NatsNet.Server;

/// <summary>The role of a Raft node.</summary>
public enum RaftState
{
    /// <summary>Follows a leader, or waits for one.</summary>
    Follower = 0,

    /// <summary>
    /// Won the election of its term. <see cref="IRaftNode.Leader"/> says whether it is complete.
    /// </summary>
    Leader = 1,

    /// <summary>Asks for votes.</summary>
    Candidate = 2,

    /// <summary>Stopped, deleted or failed. A closed node never comes back.</summary>
    Closed = 3,
}

/// <summary>The names the server prints.</summary>
public static class RaftNames
{
    /// <summary>
    /// The role's name as the server logs it, <c>UNKNOWN</c> for a value without a role.
    /// </summary>
    /// <param name="state">The role.</param>
    /// <returns>One of FOLLOWER, LEADER, CANDIDATE, CLOSED, UNKNOWN.</returns>
    public static string Name(this RaftState state) => state switch
    {
        RaftState.Follower => "FOLLOWER",
        RaftState.Leader => "LEADER",
        RaftState.Candidate => "CANDIDATE",
        RaftState.Closed => "CLOSED",
        _ => "UNKNOWN",
    };

    /// <summary>The entry type's name as the server logs it.</summary>
    /// <param name="type">The entry type.</param>
    /// <returns>
    /// The name; <c>Unknown [n]</c> for a code without one, <see cref="EntryType.Catchup"/>
    /// included.
    /// </returns>
    public static string Name(this EntryType type) => type switch
    {
        EntryType.Normal => "Normal",
        EntryType.OldSnapshot => "OldSnapshot",
        EntryType.PeerState => "PeerState",
        EntryType.AddPeer => "AddPeer",
        EntryType.RemovePeer => "RemovePeer",
        EntryType.LeaderTransfer => "LeaderTransfer",
        EntryType.Snapshot => "Snapshot",
        _ => $"Unknown [{(byte)type}]",
    };
}
