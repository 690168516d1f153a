namespace ZB.MOM.NatsNet.Server;

/// <summary>A member of the group as one node sees it.</summary>
/// <param name="Id">The peer's id, eight characters.</param>
/// <param name="Current">Whether the peer is known to have everything this node committed.</param>
/// <param name="Last">When the peer was last heard from; null when never.</param>
/// <param name="Lag">How many committed entries the peer is behind; known to a leader only.</param>
public readonly record struct Peer(string Id, bool Current, DateTimeOffset? Last, ulong Lag);

/// <summary>A node began or ceased to lead.</summary>
/// <param name="IsLeader">Whether the node leads now.</param>
/// <param name="Term">
/// The term to propose with while the node leads. Use this one, never a term read later.
/// </param>
public readonly record struct LeadChange(bool IsLeader, ulong Term);
