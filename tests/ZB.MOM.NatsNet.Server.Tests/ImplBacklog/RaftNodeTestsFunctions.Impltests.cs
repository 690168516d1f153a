using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// The mapped functions one by one, where no test of the server calls them: on a detached node,
/// and on a driven one that stands still.
/// </summary>
[Collection("live")]
public class RaftNodeTestsFunctions
{
    private const string Inbox = "$NRG.R.TEST";

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void SwitchToFollowerLocked_OfCandidate_FollowsTheLeader() => OnEach(node =>
    {
        node.SwitchToCandidate();
        node.SwitchToFollowerLocked(N0);

        NodeState state = node.Inside();
        (state.Role, state.Leader, state.Term).ShouldBe((RaftState.Follower, N0, 1UL));
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void UpdateLeadChange_Twice_KeepsTheNewest() => OnEach(node =>
    {
        node.SwitchToCandidate();
        node.UpdateLeadChange(true);
        node.UpdateLeadChange(false);

        node.Inside().Leadc.ShouldBe(new LeadChange(IsLeader: false, Term: 1));
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void WonElection_OfThree_TakesTwo() => OnEach(node =>
    {
        node.AddPeer(N0);
        node.AddPeer(N1);

        node.QuorumNeeded().ShouldBe(2);
        (node.WonElection(1), node.WonElection(2)).ShouldBe((false, true));
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void HandleVoteRequest_OnAnyNode_QueuesIt() => OnEach(node =>
    {
        node.HandleVoteRequest(new VoteRequest(3, 0, 0, N0), Inbox);

        NodeState state = node.Inside();
        (state.Reqs, state.Term).ShouldBe((1, 0UL));
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void HandleVoteResponse_OfFollower_IsDroppedAndOfCandidateQueued() => OnEach(node =>
    {
        var vote = new VoteResponse(1, N0, Granted: true, Empty: false);
        node.HandleVoteResponse(vote);
        node.Inside().Votes.ShouldBe(0);

        node.SwitchToCandidate();
        node.HandleVoteResponse(vote);
        node.Inside().Votes.ShouldBe(1);
    });

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void WriteTermVote_OfChangedState_IsWhatReadTermVoteFinds()
    {
        using DetachedNode node = DetachedNode.Open();
        node.Raft.ReadTermVote().ShouldBe((0UL, ""));
        node.Set(new() { ["term"] = 7, ["vote"] = N0 });

        node.Raft.WriteTermVote();

        node.Raft.ReadTermVote().ShouldBe((7UL, N0));
    }

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void SetWriteErr_Once_ClosesTheNode() => OnEach(node =>
    {
        node.IsClosed().ShouldBeFalse();
        node.SetWriteErr("disk is gone");

        node.IsClosed().ShouldBeTrue();
        node.GetWriteErr().ShouldBeOfType<RaftStorageException>()
            .Message.ShouldContain("disk is gone");
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void SetWriteErrLocked_AfterAnError_ChangesNothing() => OnEach(node =>
    {
        node.SetWriteErrLocked("first");
        node.SetWriteErrLocked("second");

        node.Inside().Werr.ShouldContain("first");
        node.Inside().Werr.ShouldNotContain("second");
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void HandleAppendEntry_OnAnyNode_QueuesIt() => OnEach(node =>
    {
        node.HandleAppendEntry(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E), Inbox);

        NodeState state = node.Inside();
        (state.Entry, state.Pindex).ShouldBe((1, 0UL));
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void HandleAppendEntryResponse_OfWrongLength_IsDropped() => OnEach(node =>
    {
        byte[] response = new AppendEntryResponse(1, 1, N0, Success: true).Encode();
        node.HandleAppendEntryResponse(response.AsSpan(1));
        node.Inside().Resp.ShouldBe(0);

        node.HandleAppendEntryResponse(response);
        node.Inside().Resp.ShouldBe(1);
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void SendAppendEntryLocked_OfLeaderOnly_StoresTheEntry() => OnEach(node =>
    {
        Refusal(() => node.SendAppendEntryLocked(E)).ShouldBe(RaftStatus.NotLeader);

        Lead(node);
        node.SendAppendEntryLocked(E, E);

        node.Inside().Pindex.ShouldBe(2UL);
        node.LoadEntry(2).Entries.Count.ShouldBe(2);
    });

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void SendHeartbeat_OfLeader_SendsWithoutStoring()
    {
        using DetachedNode node = DetachedNode.Open();
        Lead(node.Raft);
        node.TakeSent();

        node.Raft.SendHeartbeat();

        RaftMessage sent = node.TakeSentTo(node.State.Asubj).ShouldHaveSingleItem();
        AppendEntry heartbeat = AppendEntry.Decode(sent.Payload);
        (heartbeat.PIndex, heartbeat.Entries.Count, sent.Reply)
            .ShouldBe((1UL, 0, node.State.Areply));
        node.State.Pindex.ShouldBe(1UL);
    }

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void SendPeerState_OfLeader_AppendsTheMembership() => OnEach(node =>
    {
        Lead(node);
        node.SendPeerState();

        node.Inside().Pindex.ShouldBe(2UL);
        Entry entry = node.LoadEntry(2).Entries.ShouldHaveSingleItem();
        entry.Type.ShouldBe(EntryType.PeerState);
        PeerState.Decode(entry.Data.Span).KnownPeers.ShouldBe(node.PeerNames());
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void TryCommit_OfLeader_WaitsForTheQuorum() => OnEach(node =>
    {
        node.AddPeer(N0);
        node.AddPeer(N1);
        Lead(node);
        node.TryCommit(1).ShouldBeFalse();
        node.Inside().Commit.ShouldBe(0UL);

        node.TrackResponse(new AppendEntryResponse(1, 1, N0, Success: true)).ShouldBeTrue();
        node.TryCommit(1).ShouldBeTrue();
        node.Inside().Commit.ShouldBe(1UL);
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void ApplyCommit_OfStoredEntry_HandsItToTheApplication() => OnEach(node =>
    {
        node.StoreToWAL(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        int before = node.Inside().Apply;

        node.ApplyCommit(1);

        NodeState state = node.Inside();
        (state.Commit, state.Apply).ShouldBe((1UL, before + 1));
        Refusal(() => node.ApplyCommit(2)).ShouldBe(RaftStatus.EntryLoadFailed);
    });

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void SendRPCAndSendReply_OfAnyNode_ReachTheTransportInOrder()
    {
        using DetachedNode node = DetachedNode.Open();
        node.Raft.SendRPC("$TO", Inbox, [1]);
        node.Raft.SendReply("$BACK", [2]);

        node.TakeSent()
            .Select(sent => (sent.Source, sent.Subject, sent.Reply, sent.Payload[0]))
            .ShouldBe([(Self, "$TO", Inbox, (byte)1), (Self, "$BACK", "", (byte)2)]);
    }

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void ResetInitializing_OfNodeThatJoins_EndsItsObserving() => OnEach(node =>
    {
        node.SetObserverCore(true, extension: 0);
        node.Set(new JsonObject { ["scaleUp"] = true, ["initializing"] = true });

        node.ResetInitializing();

        NodeState state = node.Inside();
        (state.Initializing, state.ScaleUp, state.Observer).ShouldBe((false, false, false));
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void CatchupSignals_OfOpenCatchup_AreAnsweredByNilGuards() => OnEach(node =>
    {
        node.CreateCatchup(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 9));
        CatchupState catchup = node.Inside().Catchup.ShouldNotBeNull();
        (catchup.Cindex, catchup.Signal).ShouldBe((9UL, false));
        int before = node.Inside().Apply;
        node.CancelCatchupSignal();
        node.Inside().Apply.ShouldBe(before, "nothing was announced");

        node.SendCatchupSignal();
        node.SendCatchupSignal();
        node.Inside().Apply.ShouldBe(before + 1, "announced once");
        node.CancelCatchupSignal();
        node.Inside().Apply.ShouldBe(before + 2);

        node.CancelCatchup();
        NodeState state = node.Inside();
        (state.Catchup, state.Apply).ShouldBe((null, before + 3));
        node.CancelCatchup();
        node.Inside().Apply.ShouldBe(before + 3, "harmless when idle");
    });

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void SendSnapshotToFollower_OfLeader_SendsTheLastOneOrStepsDown()
    {
        using DetachedNode node = DetachedNode.Open(RaftLogKind.File);
        Lead(node.Raft);
        node.Raft.SendSnapshotToFollower(Inbox).ShouldBe(0UL);
        node.State.Role.ShouldBe(RaftState.Follower, "there is none to be sent");

        node.Raft.Applied(1);
        var snapshot = new RaftSnapshot(1, 1, node.Raft.CurrentPeerState(), [7, 8]);
        node.Raft.InstallSnapshotCore(snapshot);
        (node.State.Papplied, node.State.Wal.Msgs).ShouldBe((1UL, 0UL));
        RaftSnapshot last = node.Raft.LoadLastSnapshotCore();
        (last.LastTerm, last.LastIndex, last.PeerState.ClusterSize).ShouldBe((1UL, 1UL, 1U));
        last.Data.ShouldBe([7, 8]);
        string file = Path.Combine(node.State.Sd, "snapshots", "snap.1.1");
        File.ReadAllBytes(file).ShouldBe(node.Raft.EncodeSnapshot(snapshot));

        Lead(node.Raft);
        node.TakeSent();
        node.Raft.SendSnapshotToFollower(Inbox).ShouldBe(1UL);
        RaftMessage sent = node.TakeSentTo(Inbox).ShouldHaveSingleItem();
        AppendEntry ae = AppendEntry.Decode(sent.Payload);
        (ae.Term, ae.PTerm, ae.PIndex, sent.Reply).ShouldBe((2UL, 1UL, 1UL, node.State.Areply));
        ae.Entries.Select(entry => entry.Type)
            .ShouldBe([EntryType.Snapshot, EntryType.PeerState]);
        ae.Entries[0].Data.ToArray().ShouldBe([7, 8]);
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void CatchupStalled_WithoutProgressForTwoSeconds_IsTrue()
    {
        using DetachedNode node = DetachedNode.Open();
        node.Raft.CatchupStalled().ShouldBeFalse("idle");
        node.Raft.CreateCatchup(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 9));

        node.Advance(TimeSpan.FromSeconds(2));
        node.Raft.CatchupStalled().ShouldBeFalse();
        node.Advance(TimeSpan.FromMilliseconds(1));
        node.Raft.CatchupStalled().ShouldBeTrue();

        node.Set("pindex", 1);
        node.Raft.CatchupStalled().ShouldBeFalse("there was progress");
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void WritePeerState_OfAnyState_IsInTheFile()
    {
        using DetachedNode node = DetachedNode.Open();
        node.Raft.WritePeerState(new() { ClusterSize = 5, KnownPeers = [N0, Self], DomainExt = 2 });

        byte[] file = File.ReadAllBytes(Path.Combine(node.State.Sd, "peers.idx"));
        PeerState written = PeerState.Decode(file);
        (written.ClusterSize, written.DomainExt).ShouldBe((5U, (ushort)2));
        written.KnownPeers.ShouldBe([N0, Self], ignoreOrder: true);
    }

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void CurrentPeerStateLocked_OfObserver_CarriesTheExtension() => OnEach(node =>
    {
        node.AddPeer(N0);
        node.SetObserverCore(true, extension: 1);

        PeerState state = node.CurrentPeerStateLocked();
        (state.ClusterSize, state.DomainExt).ShouldBe((2U, (ushort)1));
        state.KnownPeers.ShouldBe(node.PeerNames(), ignoreOrder: true);
        node.IsObserver().ShouldBeTrue();
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void AdjustClusterSizeAndQuorum_OfThreePeers_IsThreeAndTwo() => OnEach(node =>
    {
        node.AddPeer(N0);
        node.AddPeer(N1);
        node.Set(new JsonObject { ["csz"] = 9, ["qn"] = 7 });
        node.RecalcQuorum();
        (node.ClusterSize(), node.QuorumNeeded()).ShouldBe((9, 5));

        node.AdjustClusterSizeAndQuorum();
        (node.ClusterSize(), node.QuorumNeeded()).ShouldBe((3, 2));

        node.RemovePeer(N0);
        (node.ClusterSize(), node.QuorumNeeded()).ShouldBe((2, 2));
        node.Inside().Removed.Keys.ShouldBe([N0]);
    });

    [RaftFact(Live = true)]
    [Trait("Kind", "white-box")]
    public void CachePendingEntry_OfStoredEntry_KeepsItByIndex() => OnEach(node =>
    {
        AppendEntry entry = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        node.StoreToWAL(entry);
        node.Inside().Pae.ShouldBeEmpty();

        node.CachePendingEntry(entry);
        node.Inside().Pae.ShouldBe([1UL]);
    });

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void Loops_OfLoneNode_LeadFromFollowerToLeader()
    {
        using DetachedNode node = DetachedNode.Open();
        node.Raft.RunAsFollower().ShouldBe(RaftState.Candidate);
        node.Raft.RunAsCandidate().ShouldBe(RaftState.Leader);
        (node.State.Term, node.State.Pindex).ShouldBe((1UL, 1UL));

        using DetachedNode whole = DetachedNode.Open();
        whole.Raft.Run(TimeSpan.FromSeconds(10));
        (whole.State.Role, whole.State.Term).ShouldBe((RaftState.Leader, 1UL));
    }

    private static void Lead(Raft node)
    {
        node.SwitchToCandidate();
        node.SwitchToLeader();
    }

    private static void OnEach(Action<Raft> test)
    {
        using (DetachedNode detached = DetachedNode.Open())
        {
            test(detached.Raft);
        }

        using var group = new TestGroup<Adder>(1, RaftLogKind.Memory, _ => new Adder());
        Member<Adder> driven = group.Members[0];
        group.Freeze([driven]);
        test(driven.Node);
    }
}
