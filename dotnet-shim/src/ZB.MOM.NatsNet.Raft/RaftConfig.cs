namespace ZB.MOM.NatsNet.Server;

/// <summary>Where a group keeps its log.</summary>
public enum RaftLogKind
{
    /// <summary>In files under the store directory; survives the process.</summary>
    File = 0,

    /// <summary>
    /// In memory; a restarted node is filled by its leader. Term, vote and peers stay in files.
    /// </summary>
    Memory = 1,
}

/// <summary>One group's configuration on one server. Immutable once opened.</summary>
public sealed record RaftConfig
{
    /// <summary>The server's id in the group: exactly eight characters, one byte each.</summary>
    public required string PeerId { get; init; }

    /// <summary>The group's name: one token of a NATS subject.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The server's directory; groups of one root share one log writer and one sync.
    /// </summary>
    public required string StoreRoot { get; init; }

    /// <summary>Where the log is kept.</summary>
    public RaftLogKind Log { get; init; }

    /// <summary>Stop taking entries when the server is out of resources.</summary>
    public bool Track { get; init; }

    /// <summary>
    /// Membership is decided by an outside reconciler (stream and consumer groups).
    /// </summary>
    public bool Managed { get; init; }

    /// <summary>Start as an observer, which never campaigns.</summary>
    public bool Observer { get; init; }

    /// <summary>The group existed before; an empty log is then suspicious.</summary>
    public bool Recovering { get; init; }

    /// <summary>The peer set is being extended; a new, empty member must not campaign.</summary>
    public bool ScaleUp { get; init; }

    /// <summary>
    /// The group's own directory: the group's name under <see cref="StoreRoot"/>.
    /// </summary>
    public string StoreDirectory => Path.Combine(StoreRoot, Name);
}
