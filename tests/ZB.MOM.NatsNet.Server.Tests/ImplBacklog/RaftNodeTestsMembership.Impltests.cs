using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Members that come and go with the log of a leader, on a node driven by hand.</summary>
public class RaftNodeTestsMembership
{
    [RaftFact]
    [Trait("ID", "2712")]
    [Trait("Kind", "white-box")]
    public void TestNRGAppendEntryResurrectsLeader()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(S2);
        (PeerCount(node), node.State.Csz).ShouldBe((2, 2));

        node.Live(Ae(S2, term: 1, commit: 0, pterm: 0, pindex: 0, Remove(S2)));
        node.Live(Ae(S2, term: 1, commit: 1, pterm: 1, pindex: 1));
        (PeerCount(node), node.State.Csz).ShouldBe((1, 1));

        // A word from the removed leader does not bring it back.
        node.Live(Ae(S2, term: 1, commit: 1, pterm: 1, pindex: 1));
        (PeerCount(node), node.State.Csz).ShouldBe((1, 1));
    }

    [RaftTheory]
    [InlineData("leader")]
    [InlineData("follower")]
    [InlineData("restart")]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTruncateWALRevertsUncommittedAddPeer(string variant)
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        AppendEntry[] entries =
        [
            Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E),
            Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, Add(N1)),
        ];
        switch (variant)
        {
            case "leader":
                node.Raft.SwitchToLeader();
                node.Raft.SendMembershipChange(EntryType.AddPeer, N1).ShouldBeTrue();
                break;
            case "follower":
                Array.ForEach(entries, ae => node.Live(ae));
                break;
            default:
                Array.ForEach(entries, node.Replay);
                break;
        }

        NodeState added = node.State;
        (added.Pindex, added.Csz, added.Qn).ShouldBe((2UL, 3, 2));
        added.Peers.Keys.ShouldContain(N1);
        added.MembChange.ShouldBe(new MembershipChangeState(2, N1, Prev: null));
        node.Report().ShouldBe(
            new Dictionary<string, bool> { [N0] = true, [N1] = false }, ignoreOrder: true);

        node.Raft.TruncateWAL(1, 1);

        NodeState cut = node.State;
        (cut.Pindex, cut.Csz, cut.Qn, cut.MembChange).ShouldBe((1UL, 2, 2, null));
        cut.Peers.Keys.ShouldBe([N0, Self], ignoreOrder: true);
        node.Report().ShouldBe(new Dictionary<string, bool> { [N0] = true });
    }

    [RaftFact]
    [Trait("ID", "2702")]
    [Trait("Kind", "white-box")]
    public void TestNRGUncommittedMembershipChangeOnNewLeader()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N1);
        node.Raft.AddPeer(N2);
        node.Live(Ae(N1, term: 1, commit: 0, pterm: 0, pindex: 0, Remove(N2)));
        (node.State.Pindex, node.Raft.Healthy()).ShouldBe((1UL, false));

        // What the earlier leader began is in the way of what the new one wants.
        node.Set("term", 2);
        node.Raft.SwitchToLeader();
        Refusal(() => node.Raft.ProposeRemovePeer(N1)).ShouldBe(RaftStatus.MembershipChange);
        node.State.Prop.ShouldBe(0);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGDontSwitchToCandidateWithInflightSelfMembershipChange()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        node.Raft.AddPeer(N1);
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, Remove(Self)));
        node.State.Peers.Keys.ShouldNotContain(Self);
        MembershipChangeState change = node.State.MembChange.ShouldNotBeNull();
        (change.Index, change.Peer).ShouldBe((2UL, Self));

        // The campaign is refused, and the leader forgotten all the same.
        node.Raft.UpdateLeader(N0);
        node.Raft.Leaderless().ShouldBeFalse();
        node.Raft.Applied(1);
        node.Raft.SwitchToCandidate();
        (node.State.Role, node.Raft.Leaderless()).ShouldBe((RaftState.Follower, true));

        node.Raft.TruncateWAL(1, 1);
        node.State.Peers.Keys.ShouldContain(Self);
        node.State.MembChange.ShouldBeNull();
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGDontSwitchToCandidateAsManagedNodeOutsidePeerSet()
    {
        using DetachedNode node = Open();
        node.Set("managed", true);
        node.Raft.ProcessPeerState(Members(1, N0));
        node.State.Peers.Keys.ShouldNotContain(Self);
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Follower);

        node.Raft.ProcessPeerState(Members(2, N0, Self));
        node.State.Peers.Keys.ShouldContain(Self);
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);

        // Who is not managed may campaign from outside.
        node.Raft.SwitchToFollower("");
        node.Set("managed", false);
        node.Raft.ProcessPeerState(Members(1, N0));
        node.State.Peers.Keys.ShouldNotContain(Self);
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
    }

    [RaftFact]
    [Trait("ID", "2650")]
    [Trait("Kind", "white-box")]
    public void TestNRGDontSwitchToCandidateWithInflightSnapshot()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        CatchupState catchup = node.State.Catchup.ShouldNotBeNull();
        (catchup.Pterm, catchup.Pindex).ShouldBe((0UL, 0UL));

        node.Cu(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, Snapshot(node)));
        (node.State.Pindex, node.State.Commit, node.State.Processed).ShouldBe((1UL, 1UL, 0UL));
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Follower);

        node.Raft.Applied(1);
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
    }

    [RaftFact]
    [Trait("ID", "2651")]
    [Trait("Kind", "white-box")]
    public void TestNRGDontSwitchToCandidateWithMultipleInflightSnapshots()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, Snapshot(node)));
        Expect(pindex: 1, commit: 0);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, Snapshot(node)));
        Expect(pindex: 2, commit: 1);
        node.Live(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2));
        Expect(pindex: 2, commit: 2);

        for (ulong applied = 1; applied <= 2; applied++)
        {
            node.Raft.SwitchToCandidate();
            node.State.Role.ShouldBe(RaftState.Follower);
            node.Raft.Applied(applied);
        }

        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);

        void Expect(ulong pindex, ulong commit)
        {
            NodeState state = node.State;
            (state.Pindex, state.Commit, state.Applied).ShouldBe((pindex, commit, 0UL));
        }
    }

    [RaftFact]
    [Trait("ID", "2694")]
    [Trait("Kind", "white-box")]
    public void TestNRGQuorumAfterLeaderStepdown()
    {
        using DetachedNode node = Open(timing: new RaftTiming());
        node.Raft.AddPeer(N0);
        node.Raft.AddPeer(N1);
        node.Raft.SwitchToCandidate();
        node.Raft.SwitchToLeader();
        node.Raft.Quorum().ShouldBeFalse();

        foreach (string peer in (string[])[N0, N1])
        {
            node.Raft.TrackPeer(peer);
            node.Raft.Quorum().ShouldBeTrue();
        }

        node.State.Peers.Count.ShouldBe(3);
        node.TakeSent();
        node.Raft.StepDown();

        // One of the two was asked to take over, and what a leader knew it still knows.
        AppendEntry transfer = AppendEntry.Decode(
            node.TakeSentTo(node.State.Asubj).ShouldHaveSingleItem().Payload);
        transfer.Entries.ShouldHaveSingleItem().Type.ShouldBe(EntryType.LeaderTransfer);
        node.Raft.Quorum().ShouldBeTrue();
        Seen().ShouldBe((true, true));

        // A follower keeps what it knew of its leader only.
        node.Raft.UpdateLeader(N0);
        node.State.Leader.ShouldBe(N0);
        node.Raft.Quorum().ShouldBeTrue();
        node.State.Peers.Count.ShouldBe(3);
        Seen().ShouldBe((true, false));

        (bool, bool) Seen()
        {
            IReadOnlyDictionary<string, PeerRecord> peers = node.State.Peers;
            return (peers[N0].Ts != 0, peers[N1].Ts != 0);
        }
    }

    private static int PeerCount(DetachedNode node) => node.Raft.Peers().Count;

    /// <summary>SNAP: a snapshot of nothing, and the members the node knows.</summary>
    private static Entry[] Snapshot(DetachedNode node)
    {
        NodeState state = node.State;
        var members = new PeerState
        {
            ClusterSize = (uint)state.Csz,
            KnownPeers = [.. state.Peers.Keys],
        };
        return [new(EntryType.Snapshot, default), new(EntryType.PeerState, members.Encode())];
    }

    private static PeerState Members(uint size, params string[] peers)
        => new() { ClusterSize = size, KnownPeers = [.. peers] };
}
