namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// One member of one Raft group. Every method may be called from any thread; none calls back. A
/// method that may wait says so. After <see cref="Stop"/> queries still answer; after disposal
/// methods throw <see cref="ObjectDisposedException"/>.
/// </summary>
/// <remarks>
/// Methods that throw <see cref="RaftException"/> carry the reason in
/// <see cref="RaftException.Status"/>.
/// <para>
/// These need no engine and go on answering after disposal: <see cref="ID"/>, <see cref="Group"/>,
/// <see cref="QuitC"/>, <see cref="WaitForStop"/>, <see cref="WaitForStopAsync"/>, and
/// <see cref="ApplyQ"/> and <see cref="LeadChangeC"/>, whose queues are then empty and whose waits
/// answer false. Disposal may be repeated.
/// </para>
/// </remarks>
public interface IRaftNode : IAsyncDisposable
{
    // Proposals.

    /// <summary>Proposes one entry. Returning means queued, not committed.</summary>
    /// <param name="term">
    /// The term of the last <see cref="LeadChange"/>; another term is refused.
    /// </param>
    /// <param name="data">The entry's bytes, copied before the call returns.</param>
    /// <exception cref="RaftException">
    /// Not leader of that term, write error, closed or too large.
    /// </exception>
    void Propose(ulong term, ReadOnlyMemory<byte> data);

    /// <summary>Proposes one entry without throwing for outcomes of the protocol.</summary>
    /// <param name="term">The term of the last <see cref="LeadChange"/>.</param>
    /// <param name="data">The entry's bytes, copied before the call returns.</param>
    /// <returns><see cref="RaftStatus.Ok"/> when queued, else the reason.</returns>
    RaftStatus TryPropose(ulong term, ReadOnlyMemory<byte> data);

    /// <summary>Proposes several entries, all or none, next to each other in the log.</summary>
    /// <param name="term">The term of the last <see cref="LeadChange"/>.</param>
    /// <param name="entries">The entries; their types are kept.</param>
    /// <exception cref="RaftException">As for <see cref="Propose"/>.</exception>
    void ProposeMulti(ulong term, IReadOnlyList<Entry> entries);

    /// <summary>
    /// Proposes several Normal entries packed into one buffer, all or none, without throwing for
    /// outcomes of the protocol.
    /// </summary>
    /// <param name="term">The term of the last <see cref="LeadChange"/>.</param>
    /// <param name="packed">The entries' bytes, one after another.</param>
    /// <param name="lengths">The length of each entry; their sum is the buffer's length.</param>
    /// <returns><see cref="RaftStatus.Ok"/> when queued, else the reason.</returns>
    RaftStatus TryProposeMulti(
        ulong term, ReadOnlyMemory<byte> packed, ReadOnlyMemory<uint> lengths);

    /// <summary>
    /// Proposes one entry and waits until it is committed and reported as processed here. An entry
    /// that an error leaves open may still be committed: propose it again only if applying it twice
    /// does no harm. The result is to be awaited once.
    /// </summary>
    /// <param name="term">The term of the last <see cref="LeadChange"/>.</param>
    /// <param name="data">The entry's bytes, copied before the call returns.</param>
    /// <param name="cancellationToken">Ends the wait, never the proposal.</param>
    /// <returns>
    /// The entry's log index. Fails with a <see cref="RaftException"/>:
    /// <see cref="RaftStatus.NotLeader"/> when the entry was never appended,
    /// <see cref="RaftStatus.Undecided"/> when the leadership ended before its commit,
    /// <see cref="RaftStatus.Closed"/> or the node's own failure when the node ended; with an
    /// <see cref="ObjectDisposedException"/> when it was disposed.
    /// </returns>
    ValueTask<ulong> ProposeAsync(
        ulong term, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default);

    /// <summary>
    /// Proposes one entry here when this node leads, else sends it to the leader, unanswered.
    /// </summary>
    /// <param name="data">The entry's bytes, copied before the call returns.</param>
    /// <exception cref="RaftException">This node leads and cannot take the entry.</exception>
    void ForwardProposal(ReadOnlyMemory<byte> data);

    // Membership.

    /// <summary>Proposes to add a peer.</summary>
    /// <param name="peer">The peer's id.</param>
    /// <exception cref="RaftException">
    /// Not leader, a change is in progress, or the leader is too new (<see
    /// cref="RaftStatus.LeaderNotReady"/>): it has not committed anything yet.
    /// </exception>
    void ProposeAddPeer(string peer);

    /// <summary>Proposes to remove a peer, or asks the leader to.</summary>
    /// <param name="peer">The peer's id.</param>
    /// <exception cref="RaftException">
    /// On the leader: unknown peer, last peer, a change is in progress, or it is too new.
    /// </exception>
    void ProposeRemovePeer(string peer);

    /// <summary>
    /// Drops peers of a managed group that cannot reach a quorum, outside the log: every member
    /// that is left has to be told. This node and strangers are passed over.
    /// </summary>
    /// <param name="peers">The peers' ids.</param>
    /// <returns>Those that were dropped.</returns>
    /// <exception cref="RaftException">
    /// Not managed, a leader is known, or a quorum is possible.
    /// </exception>
    IReadOnlyList<string> EvictPeers(IReadOnlyList<string> peers);

    /// <summary>
    /// Lowers the quorum for a while. Unsafe: for a group that has lost most members.
    /// </summary>
    /// <param name="quorum">The quorum to hold, at least 1 and at most the present one.</param>
    /// <returns>The quorum before and now.</returns>
    /// <exception cref="RaftException">
    /// A quorum out of its range, a known leader, no voting member, or an empty log.
    /// </exception>
    (int Previous, int Current) RescueQuorum(int quorum);

    /// <summary>Whether a lowered quorum is in force.</summary>
    /// <returns>True between <see cref="RescueQuorum"/> and its end.</returns>
    bool InRescue();

    /// <summary>Sets the cluster size and tells the group. Leader only.</summary>
    /// <param name="size">The size; less than 2 counts as 2.</param>
    void AdjustClusterSize(int size);

    /// <summary>
    /// Sets the expected cluster size before any leader was known. Not persisted.
    /// </summary>
    /// <param name="size">The size; less than 2 counts as 2.</param>
    void AdjustBootClusterSize(int size);

    /// <summary>The number of members the quorum is counted against.</summary>
    /// <returns>The cluster size.</returns>
    int ClusterSize();

    /// <summary>How many members must agree.</summary>
    /// <returns>The quorum.</returns>
    int QuorumNeeded();

    /// <summary>Whether a membership change is appended and not yet committed.</summary>
    /// <returns>True while one is under way.</returns>
    bool MembershipChangeInProgress();

    /// <summary>The ids of the members, this node included, in order.</summary>
    /// <returns>A new list.</returns>
    IReadOnlyList<string> PeerNames();

    /// <summary>The members and a peer whose removal is not yet committed.</summary>
    /// <returns>A new list.</returns>
    IReadOnlyList<string> VotingPeerNames();

    /// <summary>What this node knows of each member.</summary>
    /// <returns>A new list.</returns>
    IReadOnlyList<Peer> Peers();

    /// <summary>
    /// When a peer was last heard from. A managed group remembers others than members, too.
    /// </summary>
    /// <param name="peer">The peer's id.</param>
    /// <returns>The time; null when never.</returns>
    DateTimeOffset? LastHeardFromPeer(string peer);

    // Snapshots.

    /// <summary>Reads the newest snapshot. May block on disk.</summary>
    /// <returns>The index it covers and the application's bytes.</returns>
    (ulong Index, byte[] Data) LoadLastSnapshot();

    /// <summary>
    /// Installs a snapshot of everything applied and drops the log before it. Blocks on disk; the
    /// group goes on.
    /// </summary>
    /// <param name="snapshot">The application's bytes.</param>
    /// <param name="force">Also while catch-ups run or a checkpoint is open.</param>
    /// <returns>How many bytes of the log that freed.</returns>
    /// <exception cref="RaftException">
    /// <see cref="RaftStatus.NoSnapshot"/> when nothing new was applied,
    /// <see cref="RaftStatus.SnapshotInProgress"/>, <see cref="RaftStatus.CatchupsRunning"/>.
    /// </exception>
    /// <exception cref="RaftStorageException">
    /// The disk refused; nothing changed, and it may be tried again.
    /// </exception>
    ulong InstallSnapshot(ReadOnlyMemory<byte> snapshot, bool force);

    /// <summary>
    /// Opens a checkpoint at the applied index, to be installed while the group goes on.
    /// </summary>
    /// <param name="force">Also while catch-ups run or a checkpoint is open.</param>
    /// <returns>The checkpoint; disposing an open one aborts it.</returns>
    IRaftNodeCheckpoint CreateSnapshotCheckpoint(bool force);

    /// <summary>Appends a snapshot to the log as an entry.</summary>
    /// <param name="snapshot">The application's bytes.</param>
    void SendSnapshot(ReadOnlyMemory<byte> snapshot);

    /// <summary>Whether something was applied and no snapshot exists.</summary>
    /// <returns>True when a snapshot is due.</returns>
    bool NeedSnapshot();

    // Applying.

    /// <summary>Reports that everything up to an index is applied for good.</summary>
    /// <param name="index">The index.</param>
    /// <returns>Entries and bytes in the log up to that index.</returns>
    (ulong Entries, ulong Bytes) Applied(ulong index);

    /// <summary>
    /// Reports what was worked through and what is applied for good. Needed for every committed
    /// entry with an index: leadership is not announced without it.
    /// </summary>
    /// <param name="index">Worked through up to here.</param>
    /// <param name="applied">Applied for good up to here; a snapshot may drop it.</param>
    /// <returns>Entries and bytes in the log up to the applied index.</returns>
    (ulong Entries, ulong Bytes) Processed(ulong index, ulong applied);

    /// <summary>Holds back committed entries.</summary>
    /// <exception cref="RaftException">This node leads.</exception>
    void PauseApply();

    /// <summary>Lets held entries go and ends the pause.</summary>
    void ResumeApply();

    /// <summary>Empties the apply queue and applies again from the newest snapshot.</summary>
    /// <returns>False when there is none that can be read.</returns>
    bool DrainAndReplaySnapshot();

    // State.

    /// <summary>The role.</summary>
    /// <returns>The role now.</returns>
    RaftState State();

    /// <summary>Whether this node leads and has worked through its first entry.</summary>
    /// <returns>True for a complete leader.</returns>
    bool Leader();

    /// <summary>Since when this node is a complete leader.</summary>
    /// <returns>The time; null when it is not.</returns>
    DateTimeOffset? LeaderSince();

    /// <summary>Whether no leader is known.</summary>
    /// <returns>True without a leader.</returns>
    bool Leaderless();

    /// <summary>Whether a leader was ever known in this life of the node.</summary>
    /// <returns>True once one was known.</returns>
    bool HadPreviousLeader();

    /// <summary>The current term.</summary>
    /// <returns>The term.</returns>
    ulong Term();

    /// <summary>The leader this node believes in.</summary>
    /// <returns>Its id; empty when none is known.</returns>
    string GroupLeader();

    /// <summary>Where the log, the commit and the application stand, read at one moment.</summary>
    /// <returns>The last index, the commit index, the applied index.</returns>
    (ulong Index, ulong Commit, ulong Applied) Progress();

    /// <summary>Whether the node never campaigns.</summary>
    /// <returns>True for an observer.</returns>
    bool IsObserver();

    /// <summary>Whether the node's storage was deleted.</summary>
    /// <returns>True after <see cref="Delete"/>.</returns>
    bool IsDeleted();

    /// <summary>The write error that closed the node.</summary>
    /// <returns>The error; null when there was none.</returns>
    Exception? GetWriteErr();

    /// <summary>The size of the log since the last snapshot.</summary>
    /// <returns>Entries and bytes.</returns>
    (ulong Entries, ulong Bytes) Size();

    /// <summary>Whether a quorum of members was heard from lately.</summary>
    /// <returns>True when a quorum is alive.</returns>
    bool Quorum();

    /// <summary>Whether this node has applied what its leader committed.</summary>
    /// <returns>True when current.</returns>
    bool Current();

    /// <summary>Like <see cref="Current"/>, or making progress. Waits up to 10 ms.</summary>
    /// <returns>True when healthy.</returns>
    bool Healthy();

    // Leadership.

    /// <summary>Gives up leadership, to a preferred peer if one is named.</summary>
    /// <param name="preferred">At most one peer id.</param>
    /// <exception cref="RaftException">Not leader, or more than one preference.</exception>
    void StepDown(params string[] preferred);

    /// <summary>Campaigns soon.</summary>
    /// <exception cref="RaftException">Already leader.</exception>
    void Campaign();

    /// <summary>Campaigns at once, acting for a group this node is chosen to lead.</summary>
    /// <exception cref="RaftException">Already leader.</exception>
    void CampaignImmediately();

    /// <summary>Makes the node an observer, or ends that.</summary>
    /// <param name="observer">Whether the node shall never campaign.</param>
    void SetObserver(bool observer);

    // Queues and identity.

    /// <summary>The queue of committed entries.</summary>
    /// <returns>Always the same queue.</returns>
    IRaftApplyQueue ApplyQ();

    /// <summary>The notices of gained and lost leadership.</summary>
    /// <returns>Always the same source.</returns>
    IRaftLeadChange LeadChangeC();

    /// <summary>Cancelled when the node closes, for whatever reason.</summary>
    /// <returns>Always the same token.</returns>
    CancellationToken QuitC();

    /// <summary>The node's own id.</summary>
    /// <returns>Eight characters.</returns>
    string ID();

    /// <summary>The group's name.</summary>
    /// <returns>The name.</returns>
    string Group();

    /// <summary>When the node was opened.</summary>
    /// <returns>The wall-clock time.</returns>
    DateTimeOffset Created();

    /// <summary>Whether the group's traffic uses the system account.</summary>
    /// <returns>True on the system account.</returns>
    bool IsSystemAccount();

    /// <summary>The account the group's traffic uses.</summary>
    /// <returns>The account's name.</returns>
    string GetTrafficAccountName();

    /// <summary>Subscribes anew, after the account of the group's traffic changed.</summary>
    void RecreateInternalSubs();

    // End of life.

    /// <summary>Closes the node without a step-down. Returns at once and may be repeated.</summary>
    void Stop();

    /// <summary>
    /// Waits until a closed node has ended; returns at once when it is not closed. Blocks.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// Called where consumers continue on the engine's own thread.
    /// </exception>
    void WaitForStop();

    /// <summary>
    /// Waits until a closed node has ended; completes at once when it is not closed.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The end of the node.</returns>
    Task WaitForStopAsync(CancellationToken cancellationToken = default);

    /// <summary>Stops the node and removes its storage. Blocks on disk.</summary>
    void Delete();
}
