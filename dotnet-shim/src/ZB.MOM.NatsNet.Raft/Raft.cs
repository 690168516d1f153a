using System.Buffers;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// One member of one Raft group, run by the native engine. Made by
/// <see cref="RaftRuntime.Open(RaftConfig, IRaftTransport?)"/>.
/// </summary>
/// <remarks>
/// Disposing requests the stop and returns; the native object is released when the node has
/// stopped and is disposed. See <see cref="IRaftNode"/> for threading.
/// </remarks>
public sealed partial class Raft : IRaftNode, IDisposable
{
    private readonly RaftRuntime _runtime;
    private readonly RaftConfig _config;
    private readonly ulong _token;
    private readonly ApplyQueue _applyQueue;
    private readonly LeadChangeSource _leadChange;
    private readonly ProposalWaits _proposalWaits;
    private readonly CancellationToken _quitToken;
    private NodeHandle? _handle;

    /// <param name="runtime">The runtime it runs in.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="token">Its number among the runtime's nodes.</param>
    /// <param name="transport">What carries its messages; null when the engine does.</param>
    internal Raft(
        RaftRuntime runtime, RaftConfig config, ulong token, IRaftTransport? transport = null)
    {
        _runtime = runtime;
        _config = config;
        _token = token;
        _outbound = transport is null ? null : new Outbound(this, transport);
        _quitToken = _quit.Token;
        _applyQueue = new ApplyQueue(this, runtime.InlineContinuations);
        _leadChange = new LeadChangeSource(this, runtime.InlineContinuations);
        _proposalWaits = new ProposalWaits(config.Name, runtime.InlineContinuations);
    }

    /// <summary>The native object; throws when the node is disposed.</summary>
    internal NodeHandle Handle
    {
        get
        {
            NodeHandle handle = _handle
                ?? throw new InvalidOperationException("the node is not open yet");
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
            return handle;
        }
    }

    // Proposals.

    /// <inheritdoc/>
    public void Propose(ulong term, ReadOnlyMemory<byte> data) => Propose(term, data.Span);

    /// <inheritdoc cref="IRaftNode.Propose"/>
    public void Propose(ulong term, ReadOnlySpan<byte> data)
        => Check(TryPropose(term, data), nameof(Propose));

    /// <inheritdoc/>
    public RaftStatus TryPropose(ulong term, ReadOnlyMemory<byte> data)
        => TryPropose(term, data.Span);

    /// <inheritdoc cref="IRaftNode.TryPropose"/>
    public RaftStatus TryPropose(ulong term, ReadOnlySpan<byte> data)
        => NativeMethods.NodePropose(Handle, term, data);

    /// <inheritdoc/>
    public void ProposeMulti(ulong term, IReadOnlyList<Entry> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        long total = 0;
        for (int at = 0; at < entries.Count; at++)
        {
            total += entries[at].Data.Length;
        }

        byte[] packed = ArrayPool<byte>.Shared.Rent(checked((int)total));
        uint[] lengths = ArrayPool<uint>.Shared.Rent(entries.Count);
        byte[] types = ArrayPool<byte>.Shared.Rent(entries.Count);
        try
        {
            int bytes = 0;
            bool plain = true;
            for (int at = 0; at < entries.Count; at++)
            {
                Entry entry = entries[at];
                entry.Data.Span.CopyTo(packed.AsSpan(bytes));
                bytes += entry.Data.Length;
                lengths[at] = (uint)entry.Data.Length;
                types[at] = (byte)entry.Type;
                plain &= entry.Type == EntryType.Normal;
            }

            // Without types the engine cuts the entries out of the buffer as it queues them.
            RaftStatus status = NativeMethods.NodeProposeBatch(
                Handle,
                term,
                packed.AsSpan(0, bytes),
                lengths.AsSpan(0, entries.Count),
                plain ? default : types.AsSpan(0, entries.Count));
            Check(status, nameof(ProposeMulti));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(packed);
            ArrayPool<uint>.Shared.Return(lengths);
            ArrayPool<byte>.Shared.Return(types);
        }
    }

    /// <inheritdoc/>
    public RaftStatus TryProposeMulti(
        ulong term, ReadOnlyMemory<byte> packed, ReadOnlyMemory<uint> lengths)
        => TryProposeMulti(term, packed.Span, lengths.Span);

    /// <inheritdoc cref="IRaftNode.TryProposeMulti"/>
    public RaftStatus TryProposeMulti(
        ulong term, ReadOnlySpan<byte> packed, ReadOnlySpan<uint> lengths)
        => NativeMethods.NodeProposeBatch(Handle, term, packed, lengths);

    /// <inheritdoc/>
    public ValueTask<ulong> ProposeAsync(
        ulong term, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        NodeHandle handle = Handle;
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ulong>(cancellationToken);
        }

        ValueTask<ulong> outcome = _proposalWaits.Propose(
            handle, term, data.Span, cancellationToken, out RaftStatus status);
        return outcome;
    }

    /// <inheritdoc/>
    public void ForwardProposal(ReadOnlyMemory<byte> data) => ForwardProposal(data.Span);

    /// <inheritdoc cref="IRaftNode.ForwardProposal"/>
    public void ForwardProposal(ReadOnlySpan<byte> data)
        => Check(NativeMethods.NodeForwardProposal(Handle, data), nameof(ForwardProposal));

    // Membership.

    /// <inheritdoc/>
    public void ProposeAddPeer(string peer)
        => Check(
            NativeMethods.NodeProposeAddPeer(Handle, PeerIds.Parse(peer, nameof(peer))),
            nameof(ProposeAddPeer));

    /// <inheritdoc/>
    public void ProposeRemovePeer(string peer)
        => Check(
            NativeMethods.NodeProposeRemovePeer(Handle, PeerIds.Parse(peer, nameof(peer))),
            nameof(ProposeRemovePeer));

    /// <inheritdoc/>
    public IReadOnlyList<string> EvictPeers(IReadOnlyList<string> peers)
    {
        ArgumentNullException.ThrowIfNull(peers);
        ulong[] ids = [.. peers.Select(static peer => PeerIds.Parse(peer, nameof(peers)))];
        Check(NativeMethods.NodeEvictPeers(Handle, ids, out int evicted), nameof(EvictPeers));
        return Array.ConvertAll(ids[..evicted], PeerIds.Text);
    }

    /// <inheritdoc/>
    public (int Previous, int Current) RescueQuorum(int quorum)
    {
        // No quorum is negative; the engine refuses what is out of its range.
        uint wanted = (uint)Math.Max(quorum, 0);
        RaftStatus status = NativeMethods.NodeRescueQuorum(
            Handle, wanted, out uint previous, out uint current);
        Check(status, nameof(RescueQuorum));
        return ((int)previous, (int)current);
    }

    /// <inheritdoc/>
    public bool InRescue() => HasFlag(Nrg.NRG_NODE_IN_RESCUE);

    /// <inheritdoc/>
    public void AdjustClusterSize(int size)
        => AdjustSize(size, boot: false, nameof(AdjustClusterSize));

    /// <inheritdoc/>
    public void AdjustBootClusterSize(int size)
        => AdjustSize(size, boot: true, nameof(AdjustBootClusterSize));

    /// <inheritdoc/>
    public int ClusterSize() => (int)Status().cluster_size;

    /// <inheritdoc/>
    public int QuorumNeeded() => (int)Status().quorum;

    /// <inheritdoc/>
    public bool MembershipChangeInProgress() => HasFlag(Nrg.NRG_NODE_MEMBERSHIP_CHANGE);

    /// <inheritdoc/>
    public IReadOnlyList<string> PeerNames()
        => Array.ConvertAll(ReadMembers(), static peer => PeerIds.Text(peer.id));

    /// <inheritdoc/>
    public IReadOnlyList<string> VotingPeerNames()
        =>
        [
            .. ReadPeers()
                .Where(static peer => (peer.flags & Nrg.NRG_PEER_VOTING) != 0)
                .Select(static peer => PeerIds.Text(peer.id)),
        ];

    /// <inheritdoc/>
    public IReadOnlyList<Peer> Peers() => Array.ConvertAll(
        ReadMembers(),
        static peer => new Peer(
            PeerIds.Text(peer.id),
            (peer.flags & Nrg.NRG_PEER_CURRENT) != 0,
            Time(peer.last_heard_unix_nanos),
            peer.lag));

    /// <inheritdoc/>
    public DateTimeOffset? LastHeardFromPeer(string peer)
    {
        ArgumentNullException.ThrowIfNull(peer);

        // An id that cannot be one was never heard from.
        if (!PeerIds.TryParse(peer, out ulong id))
        {
            return null;
        }

        Check(NativeMethods.NodeLastHeard(Handle, id, out ulong heard), nameof(LastHeardFromPeer));
        return Time(heard);
    }

    // Snapshots.

    /// <inheritdoc/>
    public (ulong Index, byte[] Data) LoadLastSnapshot()
    {
        Check(
            NativeMethods.SnapshotLoad(Handle, out BatchHandle? snapshot),
            nameof(LoadLastSnapshot));
        return ReadSnapshot(snapshot!);
    }

    /// <inheritdoc/>
    public ulong InstallSnapshot(ReadOnlyMemory<byte> snapshot, bool force)
        => InstallSnapshot(snapshot.Span, force);

    /// <inheritdoc cref="IRaftNode.InstallSnapshot"/>
    public ulong InstallSnapshot(ReadOnlySpan<byte> snapshot, bool force)
    {
        Check(
            NativeMethods.SnapshotInstall(Handle, snapshot, force, out ulong freed),
            nameof(InstallSnapshot));
        return freed;
    }

    /// <inheritdoc/>
    public IRaftNodeCheckpoint CreateSnapshotCheckpoint(bool force)
    {
        Check(
            NativeMethods.CheckpointOpen(Handle, force, out CheckpointHandle? checkpoint),
            nameof(CreateSnapshotCheckpoint));
        return new RaftCheckpoint(checkpoint!, _config.Name);
    }

    /// <inheritdoc/>
    public void SendSnapshot(ReadOnlyMemory<byte> snapshot) => SendSnapshot(snapshot.Span);

    /// <inheritdoc cref="IRaftNode.SendSnapshot"/>
    public void SendSnapshot(ReadOnlySpan<byte> snapshot)
        => Check(NativeMethods.SnapshotSend(Handle, snapshot), nameof(SendSnapshot));

    /// <inheritdoc/>
    public bool NeedSnapshot() => HasFlag(Nrg.NRG_NODE_NEED_SNAPSHOT);

    // Applying.

    /// <inheritdoc/>
    public (ulong Entries, ulong Bytes) Applied(ulong index) => Processed(index, index);

    /// <inheritdoc/>
    public (ulong Entries, ulong Bytes) Processed(ulong index, ulong applied)
    {
        RaftStatus status = NativeMethods.NodeProcessed(
            Handle, index, applied, out ulong entries, out ulong bytes);
        Check(status, nameof(Processed));
        return (entries, bytes);
    }

    /// <inheritdoc/>
    public void PauseApply() => Check(NativeMethods.NodeApplyPause(Handle), nameof(PauseApply));

    /// <inheritdoc/>
    public void ResumeApply() => Check(NativeMethods.NodeApplyResume(Handle), nameof(ResumeApply));

    /// <inheritdoc/>
    public bool DrainAndReplaySnapshot()
    {
        Check(
            NativeMethods.DrainAndReplaySnapshot(Handle, out bool replayed),
            nameof(DrainAndReplaySnapshot));
        return replayed;
    }

    // State.

    /// <inheritdoc/>
    public RaftState State() => (RaftState)Status().role;

    /// <inheritdoc/>
    public bool Leader() => HasFlag(Nrg.NRG_NODE_IS_LEADER);

    /// <inheritdoc/>
    public DateTimeOffset? LeaderSince() => Time(Status().leader_since_unix_nanos);

    /// <inheritdoc/>
    public bool Leaderless() => Status().leader == 0;

    /// <inheritdoc/>
    public bool HadPreviousLeader() => HasFlag(Nrg.NRG_NODE_HAD_LEADER);

    /// <inheritdoc/>
    public ulong Term() => Status().term;

    /// <inheritdoc/>
    public string GroupLeader() => PeerIds.Text(Status().leader);

    /// <inheritdoc/>
    public (ulong Index, ulong Commit, ulong Applied) Progress()
    {
        NrgNodeState.Unmanaged status = Status();
        return (status.last_index, status.commit, status.applied);
    }

    /// <inheritdoc/>
    public bool IsObserver() => HasFlag(Nrg.NRG_NODE_IS_OBSERVER);

    /// <inheritdoc/>
    public bool IsDeleted() => HasFlag(Nrg.NRG_NODE_DELETED);

    /// <inheritdoc/>
    public Exception? GetWriteErr() => WriteError(Handle);

    /// <summary>The newest warning or error the node has logged; null when there is none.</summary>
    /// <remarks>Also of a node that has stopped. Any thread.</remarks>
    public RaftProblem? LastProblem()
    {
        Check(NativeMethods.NodeLastProblem(Handle, out BatchHandle? batch), nameof(LastProblem));
        if (batch is null)
        {
            return null;
        }

        using (batch)
        {
            return RaftLog.Problem(NativeMethods.LogRecords(batch)[0]);
        }
    }

    /// <inheritdoc/>
    public (ulong Entries, ulong Bytes) Size()
    {
        NrgNodeState.Unmanaged status = Status();
        return (status.entries, status.bytes);
    }

    /// <inheritdoc/>
    public bool Quorum() => HasFlag(Nrg.NRG_NODE_QUORUM_LIVE);

    /// <inheritdoc/>
    public bool Current() => HasFlag(Nrg.NRG_NODE_CURRENT);

    /// <inheritdoc/>
    public bool Healthy()
    {
        RaftStatus status = NativeMethods.NodeCheckHealth(Handle, out bool healthy);
        return status == RaftStatus.Ok && healthy;
    }

    // Leadership.

    /// <inheritdoc/>
    public void StepDown(params string[] preferred)
    {
        ArgumentNullException.ThrowIfNull(preferred);
        ulong[] ids =
        [
            .. preferred
                .Where(static id => id is not "")
                .Select(static id => PeerIds.Parse(id, nameof(preferred))),
        ];
        Check(NativeMethods.NodeStepDown(Handle, ids), nameof(StepDown));
    }

    /// <inheritdoc/>
    public void Campaign()
        => Check(NativeMethods.NodeCampaign(Handle, immediately: false), nameof(Campaign));

    /// <inheritdoc/>
    public void CampaignImmediately()
        => Check(
            NativeMethods.NodeCampaign(Handle, immediately: true), nameof(CampaignImmediately));

    /// <inheritdoc/>
    public void SetObserver(bool observer)
        => Check(NativeMethods.NodeSetObserver(Handle, observer), nameof(SetObserver));

    // Queues and identity.

    /// <inheritdoc/>
    public IRaftApplyQueue ApplyQ() => _applyQueue;

    /// <inheritdoc/>
    public IRaftLeadChange LeadChangeC() => _leadChange;

    /// <inheritdoc/>
    public CancellationToken QuitC() => _quitToken;

    /// <inheritdoc/>
    public string ID() => _config.PeerId;

    /// <inheritdoc/>
    public string Group() => _config.Name;

    /// <inheritdoc/>
    public DateTimeOffset Created()
        => Time(Status().created_unix_nanos) ?? DateTimeOffset.UnixEpoch;

    private static DateTimeOffset? Time(ulong unixNanos)
        => unixNanos == 0
            ? null
            : DateTimeOffset.UnixEpoch.AddTicks((long)(unixNanos / TimeSpan.NanosecondsPerTick));

    private void AdjustSize(int size, bool boot, string operation)
    {
        uint atLeast = (uint)Math.Max(size, 0);
        Check(NativeMethods.NodeAdjustClusterSize(Handle, atLeast, boot), operation);
    }

    private Exception? WriteError(NodeHandle handle)
    {
        (RaftStatus code, string text) = NativeMethods.NodeWriteError(handle);
        return code == RaftStatus.Ok
            ? null
            : ThrowHelper.Make(code, nameof(GetWriteErr), Group(), text);
    }

    private NrgNodeState.Unmanaged Status()
    {
        RaftStatus outcome = NativeMethods.NodeStatus(Handle, out NrgNodeState.Unmanaged status);
        Check(outcome, "read the status");
        return status;
    }

    private bool HasFlag(uint flag) => (Status().flags & flag) != 0;

    private NrgPeer.Unmanaged[] ReadMembers() => Array.FindAll(
        ReadPeers(), static peer => (peer.flags & Nrg.NRG_PEER_MEMBER) != 0);

    private NrgPeer.Unmanaged[] ReadPeers()
    {
        Check(NativeMethods.NodePeers(Handle, out NrgPeer.Unmanaged[] peers), "read the peers");
        return peers;
    }

    /// <summary>Copies the snapshot of a batch and releases it.</summary>
    /// <param name="snapshot">A batch of one record.</param>
    /// <returns>The index it covers and the application's bytes.</returns>
    internal static (ulong Index, byte[] Data) ReadSnapshot(BatchHandle snapshot)
    {
        using ApplyBatch batch = Batch(snapshot);
        return (batch.Read(0).index, new EntryView(batch, 0).ToArray());
    }

    /// <summary>A batch over the records of a native one.</summary>
    internal static unsafe ApplyBatch Batch(BatchHandle batch)
        => new(batch, NativeMethods.BatchItems(batch, out int count), count);

    private void Check(RaftStatus status, string operation)
        => ThrowHelper.Check(status, operation, _config.Name);
}
