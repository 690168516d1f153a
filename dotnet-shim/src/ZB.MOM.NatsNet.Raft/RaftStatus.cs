namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// The outcome of a call into the engine. The numbers are those of the C ABI (NRG_STATUS_…),
/// grouped by hundreds and never reused.
/// </summary>
public enum RaftStatus
{
    /// <summary>The call did what it was asked to do.</summary>
    Ok = 0,

    /// <summary>A pointer that must not be null is null.</summary>
    NullArgument = 100,

    /// <summary>An argument is outside the range its documentation gives.</summary>
    InvalidArgument = 101,

    /// <summary>A text is not valid UTF-8.</summary>
    InvalidUtf8 = 102,

    /// <summary>
    /// A <c>struct_size</c> is smaller than the first released size of the struct.
    /// </summary>
    StructTooSmall = 103,

    /// <summary>A buffer is too small; the needed length has been written, nothing else.</summary>
    BufferTooSmall = 104,

    /// <summary>A length exceeds the limit of the protocol or of the address space.</summary>
    TooLarge = 105,

    /// <summary>A configuration contradicts itself or misses a part.</summary>
    BadConfig = 106,

    /// <summary>A peer id is not eight bytes.</summary>
    BadPeerId = 107,

    /// <summary>More entries than an append entry can hold.</summary>
    TooManyEntries = 108,

    /// <summary>Bytes that are not the message they should be.</summary>
    Malformed = 109,

    /// <summary>An append entry that is cut short or contradicts its lengths.</summary>
    BadAppendEntry = 110,

    /// <summary>A peer state that is cut short or contradicts its lengths.</summary>
    CorruptPeers = 111,

    /// <summary>The leader of an append entry is neither absent nor exactly eight bytes.</summary>
    LeaderLen = 112,

    /// <summary>A name, or a code, that is not known here.</summary>
    NotFound = 113,

    /// <summary>No configuration is given.</summary>
    NoConfig = 114,

    /// <summary>This node does not lead, or leads in another term.</summary>
    NotLeader = 200,

    /// <summary>This node leads already.</summary>
    AlreadyLeader = 201,

    /// <summary>The node is closed.</summary>
    Closed = 202,

    /// <summary>The runtime has been shut down; a poll answers this once and for ever.</summary>
    Shutdown = 203,

    /// <summary>A step down names more than one preferred leader.</summary>
    TooManyPrefs = 204,

    /// <summary>Something does not come to rest; the text says what.</summary>
    Busy = 205,

    /// <summary>A node of this server and group is already open.</summary>
    AlreadyOpen = 206,

    /// <summary>The operation is not part of this build.</summary>
    Unsupported = 207,

    /// <summary>Waiting has ended without the awaited state.</summary>
    TimedOut = 208,

    /// <summary>Subscribing on a closed transport.</summary>
    NoTransport = 209,

    /// <summary>
    /// The engine of this node panicked before: it is unusable, its runtime and other nodes are
    /// not.
    /// </summary>
    Faulted = 210,

    /// <summary>
    /// The entry was appended, and the leadership ended before its commit: a later leader may
    /// commit it or cut it off.
    /// </summary>
    Undecided = 211,

    /// <summary>
    /// Too many bytes wait for their commit; nothing of the batch was taken. Propose it again once
    /// something has been committed.
    /// </summary>
    Backlog = 212,

    /// <summary>Another membership change has not been committed yet.</summary>
    MembershipChange = 300,

    /// <summary>The last peer cannot be removed.</summary>
    RemoveLastNode = 301,

    /// <summary>No such peer in the group.</summary>
    PeerNotFound = 302,

    /// <summary>This peer was removed from the group.</summary>
    NodeRemoved = 303,

    /// <summary>The boot size of an established group cannot be adjusted.</summary>
    AdjustBootCluster = 304,

    /// <summary>The membership of this group is not managed.</summary>
    NotManaged = 305,

    /// <summary>The group has a leader.</summary>
    NotLeaderless = 306,

    /// <summary>The remaining peers could still reach a quorum.</summary>
    QuorumPossible = 307,

    /// <summary>A rescue quorum outside 1 to the present quorum.</summary>
    RescueBadQuorum = 308,

    /// <summary>A rescue quorum while a leader is known.</summary>
    RescueLeaderKnown = 309,

    /// <summary>A rescue quorum on a node that does not vote.</summary>
    RescueNotVoting = 310,

    /// <summary>A rescue quorum on an empty log.</summary>
    RescueEmptyLog = 311,

    /// <summary>
    /// This leader is new and has not committed an entry of its term: try again soon.
    /// </summary>
    LeaderNotReady = 312,

    /// <summary>There is no snapshot.</summary>
    NoSnapshot = 400,

    /// <summary>A snapshot is already being made.</summary>
    SnapshotInProgress = 401,

    /// <summary>The snapshot was aborted.</summary>
    SnapshotAborted = 402,

    /// <summary>No snapshot while peers catch up from the log.</summary>
    CatchupsRunning = 403,

    /// <summary>The snapshot's checksum or its structure is wrong.</summary>
    SnapshotCorrupt = 404,

    /// <summary>The name of a snapshot file cannot be read.</summary>
    BadSnapshotName = 405,

    /// <summary>The snapshot's index is not the one the log follows.</summary>
    SnapshotMismatch = 406,

    /// <summary>The disk refused an operation; the text says which.</summary>
    IO = 500,

    /// <summary>An entry could not be loaded from the log.</summary>
    EntryLoadFailed = 501,

    /// <summary>An entry could not be stored in the log.</summary>
    EntryStoreFailed = 502,

    /// <summary>The group has no peer state: it was never bootstrapped.</summary>
    NoPeerState = 503,

    /// <summary>What is on disk contradicts itself.</summary>
    Corrupt = 504,

    /// <summary>The directory is missing, or is not one, or cannot be written.</summary>
    BadDirectory = 505,

    /// <summary>A write failed for good and closed the node; the text says which.</summary>
    WriteError = 506,

    /// <summary>
    /// A leader asked for committed entries to be cut off: the node is closed, nothing was cut.
    /// </summary>
    TruncateBelowCommit = 507,

    /// <summary>The engine panicked; the node that did it is unusable.</summary>
    Panic = 900,

    /// <summary>The engine met a state that it does not know.</summary>
    Internal = 901,

    /// <summary>The operating system gave the engine no thread; the text says which.</summary>
    NoThread = 902,
}
