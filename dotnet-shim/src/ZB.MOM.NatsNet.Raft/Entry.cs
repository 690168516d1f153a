namespace ZB.MOM.NatsNet.Server;

/// <summary>What a log entry is for. The numbers are those of the wire.</summary>
public enum EntryType : byte
{
    /// <summary>An application's proposal.</summary>
    Normal = 0,

    /// <summary>
    /// A snapshot in logs of old servers; arrives re-typed as <see cref="Snapshot"/>.
    /// </summary>
    OldSnapshot = 1,

    /// <summary>A membership list of a new leader. Not passed up.</summary>
    PeerState = 2,

    /// <summary>A peer joins.</summary>
    AddPeer = 3,

    /// <summary>A peer leaves.</summary>
    RemovePeer = 4,

    /// <summary>A leader hands over. Not passed up.</summary>
    LeaderTransfer = 5,

    /// <summary>A snapshot of the application's state.</summary>
    Snapshot = 6,

    /// <summary>A local marker: the entries that follow are catch-up. Never on the wire.</summary>
    Catchup = 7,
}

/// <summary>One entry of a proposal.</summary>
/// <param name="Type">What the entry is for.</param>
/// <param name="Data">
/// Its bytes. Copied when proposed; the caller may reuse the buffer afterwards.
/// </param>
public readonly record struct Entry(EntryType Type, ReadOnlyMemory<byte> Data)
{
    /// <summary>Makes a <see cref="EntryType.Normal"/> entry.</summary>
    /// <param name="data">Its bytes.</param>
    public Entry(ReadOnlyMemory<byte> data)
        : this(EntryType.Normal, data)
    {
    }

    /// <summary>Whether committing the entry adds or removes a peer.</summary>
    /// <returns>
    /// True for <see cref="EntryType.AddPeer"/> and <see cref="EntryType.RemovePeer"/>.
    /// </returns>
    public bool ChangesMembership() => Type is EntryType.AddPeer or EntryType.RemovePeer;
}
