using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>Where an append entry comes from.</summary>
/// <param name="Kind">NRG_TEST_ORIGIN_*.</param>
/// <param name="Catchup">The catch-up it came under, over or not.</param>
internal readonly record struct AppendEntryOrigin(uint Kind, ulong Catchup = 0)
{
    /// <summary>The group's own subject.</summary>
    internal static AppendEntryOrigin Live { get; } = new(Nrg.NRG_TEST_ORIGIN_LIVE);

    /// <summary>The node's own log.</summary>
    internal static AppendEntryOrigin Replay { get; } = new(Nrg.NRG_TEST_ORIGIN_REPLAY);

    /// <summary>The inbox of a catch-up.</summary>
    internal static AppendEntryOrigin Of(ulong catchup)
        => new(Nrg.NRG_TEST_ORIGIN_CATCHUP, catchup);
}

/// <summary>A snapshot as it lies in its file.</summary>
internal sealed record RaftSnapshot(
    ulong LastTerm, ulong LastIndex, PeerState PeerState, byte[] Data);

// The server's functions below the surface, under its names: each is one call into the node,
// which may be driven, frozen or detached. They need the testing build of the library.
public sealed partial class Raft
{
    // Roles, votes, leadership.

    internal void SwitchToCandidate() => Test(Interop.nrg_test_switch_to_candidate);

    internal void SwitchToLeader() => Test(Interop.nrg_test_switch_to_leader);

    internal void SwitchToFollower(string leader)
        => Test(node => Interop.nrg_test_switch_to_follower(node, PeerOrNone(leader)));

    internal void SwitchToFollowerLocked(string leader)
        => Test(node => Interop.nrg_test_switch_to_follower_locked(node, PeerOrNone(leader)));

    internal void StepDownCore(string leader)
        => Test(node => Interop.nrg_test_step_down_core(node, PeerOrNone(leader)));

    internal void SwitchState(RaftState state)
        => Test(node => Interop.nrg_test_switch_state(node, (uint)state));

    internal void UpdateLeader(string leader)
        => Test(node => Interop.nrg_test_update_leader(node, PeerOrNone(leader)));

    internal void UpdateLeadChange(bool isLeader)
        => Test(node => Interop.nrg_test_update_lead_change(node, Number(isLeader)));

    internal void RequestVote() => Test(Interop.nrg_test_request_vote);

    internal void ProcessVoteRequest(VoteRequest request, string reply = "")
        => Test(Interop.nrg_test_process_vote_request, request.Encode(), reply);

    internal void HandleVoteRequest(VoteRequest request, string reply = "")
        => Test(Interop.nrg_test_handle_vote_request, request.Encode(), reply);

    internal void HandleVoteResponse(VoteResponse response)
        => Test(Interop.nrg_test_handle_vote_response, response.Encode());

    internal bool WonElection(int votes)
        => Asks((node, won) => Interop.nrg_test_won_election(node, (uint)votes, won));

    internal bool LostQuorum() => Asks(Interop.nrg_test_lost_quorum);

    internal void ResetElect(TimeSpan? after = null)
        => Test(node => Interop.nrg_test_reset_elect(node, Nanos(after ?? TimeSpan.Zero)));

    internal void SetObserverCore(bool observer, ushort extension)
        => Test(node => Interop.nrg_test_set_observer_core(node, Number(observer), extension));

    internal void WriteTermVote() => Test(Interop.nrg_test_write_term_vote);

    internal unsafe (ulong Term, string Vote) ReadTermVote()
    {
        ulong term = 0;
        ulong vote = 0;
        (IntPtr termOut, IntPtr voteOut) = ((IntPtr)(&term), (IntPtr)(&vote));
        Test(node => Interop.nrg_test_read_term_vote(node, termOut, voteOut));
        return (term, PeerIds.Text(vote));
    }

    internal void SetWriteErr(string text)
        => Test(Interop.nrg_test_set_write_err, Utf8(text));

    internal void SetWriteErrLocked(string text)
        => Test(Interop.nrg_test_set_write_err_locked, Utf8(text));

    internal bool IsClosed() => Asks(Interop.nrg_test_is_closed);

    // The loops, which play a detached node's turns under moved time and yield the role at the end.

    internal RaftState RunAsFollower(TimeSpan? limit = null)
        => Plays((node, role) => Interop.nrg_test_run_as_follower(node, Limit(limit), role));

    internal RaftState RunAsCandidate(TimeSpan? limit = null)
        => Plays((node, role) => Interop.nrg_test_run_as_candidate(node, Limit(limit), role));

    internal RaftState RunAsLeader(TimeSpan? limit = null)
        => Plays((node, role) => Interop.nrg_test_run_as_leader(node, Limit(limit), role));

    internal void Run(TimeSpan? limit = null)
        => Test(node => Interop.nrg_test_run(node, Limit(limit)));

    // Append entries, their answers, commits.

    internal void ProcessAppendEntry(
        AppendEntry ae, AppendEntryOrigin origin, string reply = "")
        => Test(
            (node, frame, length, replyTo, replyLength) => Interop.nrg_test_process_append_entry(
                node, frame, length, replyTo, replyLength, origin.Kind, origin.Catchup),
            ae.Encode(),
            reply);

    internal void HandleAppendEntry(AppendEntry ae, string reply = "")
        => Test(Interop.nrg_test_handle_append_entry, ae.Encode(), reply);

    internal void ProcessAppendEntryResponse(AppendEntryResponse response, string reply = "")
        => Test(Interop.nrg_test_process_append_entry_response, response.Encode(), reply);

    internal void HandleAppendEntryResponse(ReadOnlySpan<byte> payload, string reply = "")
        => Test(Interop.nrg_test_handle_append_entry_response, payload, reply);

    internal void HandleForwardedProposal(ReadOnlySpan<byte> data, string reply = "")
        => Test(Interop.nrg_test_handle_forwarded_proposal, data, reply);

    internal void HandleForwardedRemovePeerProposal(ReadOnlySpan<byte> peer, string reply = "")
        => Test(Interop.nrg_test_handle_forwarded_remove_peer_proposal, peer, reply);

    internal bool TryFastPathPropose(ulong term, ReadOnlySpan<byte> data)
        => Asks(
            (node, start, length, left)
                => Interop.nrg_test_try_fast_path_propose(node, term, start, length, left),
            data);

    internal bool TryFastPathProposeMulti(ulong term, params ReadOnlySpan<Entry> entries)
        => Asks(
            (node, data, length, lengths, _, count, left)
                => Interop.nrg_test_try_fast_path_propose_multi(
                    node, term, data, length, lengths, count, left),
            entries);

    internal AppendEntry BuildAppendEntry(params ReadOnlySpan<Entry> entries)
        => AppendEntry.Decode(Yields(Interop.nrg_test_build_append_entry, entries));

    internal void SendAppendEntry(params ReadOnlySpan<Entry> entries)
        => Test(Interop.nrg_test_send_append_entry, entries);

    internal void SendAppendEntryLocked(params ReadOnlySpan<Entry> entries)
        => Test(Interop.nrg_test_send_append_entry_locked, entries);

    internal void SendHeartbeat() => Test(Interop.nrg_test_send_heartbeat);

    internal void SendPeerState() => Test(Interop.nrg_test_send_peer_state);

    internal bool TrackResponse(AppendEntryResponse response)
        => Asks(Interop.nrg_test_track_response, response.Encode());

    internal bool TryCommit(ulong index)
        => Asks((node, committed) => Interop.nrg_test_try_commit(node, index, committed));

    internal void ApplyCommit(ulong index)
        => Test(node => Interop.nrg_test_apply_commit(node, index));

    internal void SendRPC(string subject, string reply, ReadOnlySpan<byte> payload)
        => Test(Interop.nrg_test_send_rpc, subject, reply, payload);

    internal void SendReply(string subject, ReadOnlySpan<byte> payload)
        => Test(Interop.nrg_test_send_reply, Utf8(subject), payload);

    internal void ResetInitializing() => Test(Interop.nrg_test_reset_initializing);

    // Both ends of a catch-up.

    internal void CatchupFollower(AppendEntryResponse response, string inbox)
        => Test(Interop.nrg_test_catchup_follower, response.Encode(), inbox);

    internal string CreateCatchup(AppendEntry ae)
        => Text(Yields(Interop.nrg_test_create_catchup, ae.Encode()));

    internal void CancelCatchup() => Test(Interop.nrg_test_cancel_catchup);

    internal bool CatchupStalled() => Asks(Interop.nrg_test_catchup_stalled);

    internal void SendCatchupSignal() => Test(Interop.nrg_test_send_catchup_signal);

    internal void CancelCatchupSignal() => Test(Interop.nrg_test_cancel_catchup_signal);

    internal unsafe ulong SendSnapshotToFollower(string inbox)
    {
        ulong index = 0;
        IntPtr indexOut = (IntPtr)(&index);
        Test(
            (node, start, length)
                => Interop.nrg_test_send_snapshot_to_follower(node, start, length, indexOut),
            Utf8(inbox));
        return index;
    }

    // Snapshots.

    internal void InstallSnapshotCore(RaftSnapshot snapshot)
        => Test(
            (node, peers, peersLength, data, length) => Interop.nrg_test_install_snapshot_core(
                node, snapshot.LastTerm, snapshot.LastIndex, peers, peersLength, data, length),
            snapshot.PeerState.Encode(),
            snapshot.Data);

    internal unsafe RaftSnapshot LoadLastSnapshotCore()
    {
        ulong term = 0;
        ulong index = 0;
        (IntPtr termOut, IntPtr indexOut) = ((IntPtr)(&term), (IntPtr)(&index));
        byte[][] parts = YieldsAll((node, batch)
            => Interop.nrg_test_load_last_snapshot_core(node, termOut, indexOut, batch));
        return new RaftSnapshot(term, index, PeerState.Decode(parts[0]), parts[1]);
    }

    internal unsafe byte[] EncodeSnapshot(RaftSnapshot snapshot)
    {
        IntPtr taken = IntPtr.Zero;
        IntPtr takenOut = (IntPtr)(&taken);
        Test(
            (node, peers, peersLength, data, length) => Interop.nrg_test_encode_snapshot(
                node,
                snapshot.LastTerm,
                snapshot.LastIndex,
                peers,
                peersLength,
                data,
                length,
                takenOut),
            snapshot.PeerState.Encode(),
            snapshot.Data);
        return NativeMethods.Records(taken)[0];
    }

    internal void SetupLastSnapshot() => Test(Interop.nrg_test_setup_last_snapshot);

    // Who belongs to the group.

    internal void TrackPeer(string peer)
        => Test(node => Interop.nrg_test_track_peer(node, Peer(peer)));

    internal void AddPeer(string peer)
        => Test(node => Interop.nrg_test_add_peer(node, Peer(peer)));

    internal void RemovePeer(string peer)
        => Test(node => Interop.nrg_test_remove_peer(node, Peer(peer)));

    internal void ProcessPeerState(PeerState state)
        => Test(Interop.nrg_test_process_peer_state, state.Encode());

    internal void WritePeerState(PeerState state)
        => Test(Interop.nrg_test_write_peer_state, state.Encode());

    internal PeerState CurrentPeerState()
        => PeerState.Decode(Yields(Interop.nrg_test_current_peer_state));

    internal PeerState CurrentPeerStateLocked()
        => PeerState.Decode(Yields(Interop.nrg_test_current_peer_state_locked));

    internal void AdjustClusterSizeAndQuorum()
        => Test(Interop.nrg_test_adjust_cluster_size_and_quorum);

    internal void RecalcQuorum() => Test(Interop.nrg_test_recalc_quorum);

    internal void RevertMembershipChange() => Test(Interop.nrg_test_revert_membership_change);

    internal bool SendMembershipChange(EntryType type, string peer)
        => Asks((node, sent)
            => Interop.nrg_test_send_membership_change(node, (byte)type, Peer(peer), sent));

    internal void ExpireRescue() => Test(Interop.nrg_test_expire_rescue);

    internal bool PendingSelfRemoval() => Asks(Interop.nrg_test_pending_self_removal);

    // The log.

    internal AppendEntry LoadEntry(ulong index)
        => AppendEntry.Decode(
            Yields((node, batch) => Interop.nrg_test_load_entry(node, index, batch)));

    internal void StoreToWAL(AppendEntry ae)
        => Test(Interop.nrg_test_store_to_wal, ae.Encode());

    internal bool TruncateWAL(ulong term, ulong index)
        => Asks((node, cut) => Interop.nrg_test_truncate_wal(node, term, index, cut));

    internal void ResetWAL() => Test(Interop.nrg_test_reset_wal);

    internal void CachePendingEntry(AppendEntry ae)
        => Test(Interop.nrg_test_cache_pending_entry, ae.Encode());
}
