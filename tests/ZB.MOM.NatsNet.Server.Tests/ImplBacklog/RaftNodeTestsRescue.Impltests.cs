using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Groups that lost their quorum: peers evicted, the quorum lowered for a while.</summary>
public class RaftNodeTestsRescue
{
    [RaftTheory]
    [InlineData("Guards")]
    [InlineData("RefusesWhenQuorumPossible")]
    [InlineData("RefusesForUncommittedRemovePeer")]
    [InlineData("RevertsUncommittedRemovePeer")]
    [InlineData("RevertsUncommittedSelfRemoval")]
    [InlineData("RevertsUncommittedAddPeer")]
    [InlineData("RevertedAddPeerCommitsAsNoopWhenLeader")]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGEvictPeers(string part)
    {
        using DetachedNode node = Open();
        Action<DetachedNode> play = part switch
        {
            "Guards" => Guards,
            "RefusesWhenQuorumPossible" => RefusesWhenQuorumPossible,
            "RefusesForUncommittedRemovePeer" => RefusesForUncommittedRemovePeer,
            "RevertsUncommittedRemovePeer" => RevertsUncommittedRemovePeer,
            "RevertsUncommittedSelfRemoval" => RevertsUncommittedSelfRemoval,
            "RevertsUncommittedAddPeer" => RevertsUncommittedAddPeer,
            _ => RevertedAddPeerCommitsAsNoopWhenLeader,
        };
        play(node);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGRescueQuorum()
    {
        using DetachedNode node = Open();
        SetSizes(node, 5, 3);
        Refused(0).ShouldBe(RaftStatus.RescueBadQuorum);
        Refused(4).ShouldBe(RaftStatus.RescueBadQuorum);

        node.Set("leader", N0);
        Refused(2).ShouldBe(RaftStatus.RescueLeaderKnown);
        node.Set("leader", "");
        node.Set("observer", true);
        Refused(2).ShouldBe(RaftStatus.RescueNotVoting);
        node.Set("observer", false);
        node.Set("peers", new JsonObject { [Self] = null });
        Refused(2).ShouldBe(RaftStatus.RescueNotVoting);
        node.Set("peers", new JsonObject { [Self] = new JsonObject() });
        Refused(2).ShouldBe(RaftStatus.RescueEmptyLog);
        StoreOne(node);

        foreach ((int quorum, int before) in ((int, int)[])[(3, 3), (2, 3), (1, 2)])
        {
            Rescue(node, quorum).ShouldBe((before, quorum));
            (node.State.Qn, node.State.Rescue).ShouldBe((quorum, true));
        }

        Refused(2).ShouldBe(RaftStatus.RescueBadQuorum);
        node.State.Qn.ShouldBe(1);

        RaftStatus Refused(int quorum) => Refusal(() => node.Raft.RescueQuorum(quorum));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGRescueQuorumKeptOnPeerState()
    {
        using DetachedNode node = Open();
        StoreOne(node);
        SetSizes(node, 3, 2);
        Rescue(node, 1).ShouldBe((2, 1));

        node.Raft.ProcessPeerState(new() { ClusterSize = 3, KnownPeers = [Self, N0, N1] });

        (node.State.Csz, node.State.Qn, node.State.Rescue).ShouldBe((3, 1, true));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGRescueQuorumExpires()
    {
        var timing = new RaftTiming { RescueTimeout = TimeSpan.FromMilliseconds(100) };
        using DetachedNode node = Open(timing: timing);
        StoreOne(node);
        SetSizes(node, 5, 3);
        Rescue(node, 2).ShouldBe((3, 2));

        node.Advance(TimeSpan.FromMilliseconds(99));
        (node.State.Qn, node.Raft.InRescue()).ShouldBe((2, true));
        node.Advance(TimeSpan.FromMilliseconds(1));

        (node.State.Qn, node.State.Rescue, node.Raft.InRescue()).ShouldBe((3, false, false));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGRescueQuorumCountsEmptyVotes()
    {
        using DetachedNode node = Open();
        StoreOne(node);
        node.Raft.AddPeer(N0);
        SetSizes(node, 5, 3);
        Rescue(node, 2).ShouldBe((3, 2));
        node.AnswerVotesWith(N0, granted: true, empty: true);

        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
        node.Raft.RunAsCandidate();

        node.State.Role.ShouldBe(RaftState.Leader);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGRescueQuorumEmptyVotesRequireRescue()
    {
        using DetachedNode node = Open();
        StoreOne(node);
        node.Raft.AddPeer(N0);
        SetSizes(node, 5, 2);
        node.AnswerVotesWith(N0, granted: true, empty: true);

        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
        node.Raft.RunAsCandidate();

        node.State.Role.ShouldNotBe(RaftState.Leader);
    }

    private static void Guards(DetachedNode node)
    {
        node.Raft.AddPeer(N0);
        Refusal(() => node.Raft.EvictPeers([N0])).ShouldBe(RaftStatus.NotManaged);
        node.Set("managed", true);
        node.Raft.UpdateLeader(N0);
        Refusal(() => node.Raft.EvictPeers([N0])).ShouldBe(RaftStatus.NotLeaderless);
        node.Raft.UpdateLeader("");

        Evict(node, Self).ShouldBeEmpty();
        Evict(node, N1).ShouldBeEmpty();
        Evict(node, N0).ShouldBe([N0]);
        NodeState state = node.State;
        (state.Csz, state.Qn).ShouldBe((1, 1));
        state.Peers.Keys.ShouldBe([Self]);
        state.Removed.Keys.ShouldContain(N0);
        Evict(node, Self).ShouldBeEmpty();
    }

    private static void RefusesWhenQuorumPossible(DetachedNode node)
    {
        AddPeers(node, N0, N1, N2, N3);
        Strand(node);

        // Three others are left: a quorum of five.
        Refusal(() => node.Raft.EvictPeers([N0])).ShouldBe(RaftStatus.QuorumPossible);
        Evict(node, N0, N1).ShouldBe([N0, N1]);
        node.State.Csz.ShouldBe(3);
    }

    private static void RefusesForUncommittedRemovePeer(DetachedNode node)
    {
        AddPeers(node, N0, N1, N2, N3);
        Follow(node, Remove(N3));
        node.State.Peers.Count.ShouldBe(4);
        node.State.Peers.Keys.ShouldNotContain(N3);
        node.Raft.VotingPeerNames().Count.ShouldBe(5);
        Strand(node);

        Refusal(() => node.Raft.EvictPeers([N0])).ShouldBe(RaftStatus.QuorumPossible);
        Evict(node, N0, N1, N3).ShouldBe([N0, N1, N3]);
        (node.State.MembChange, node.State.Csz).ShouldBe((null, 2));
    }

    private static void RevertsUncommittedRemovePeer(DetachedNode node)
    {
        AddPeers(node, N0, N1);
        Follow(node, Remove(N1));
        node.State.Peers.Keys.ShouldNotContain(N1);
        node.State.MembChange.ShouldNotBeNull();
        Strand(node);

        Evict(node, N1).ShouldBe([N1]);

        NodeState state = node.State;
        state.Peers.Keys.ShouldNotContain(N1);
        state.Removed.Keys.ShouldContain(N1);
        (state.Csz, state.Qn, state.MembChange).ShouldBe((2, 2, null));
    }

    private static void RevertsUncommittedSelfRemoval(DetachedNode node)
    {
        AddPeers(node, N0, N1);
        Follow(node, Remove(Self));
        node.State.Peers.Keys.ShouldNotContain(Self);
        node.Raft.PendingSelfRemoval().ShouldBeTrue();
        Strand(node);

        Evict(node, N0, N1).ShouldBe([N0, N1]);
        NodeState state = node.State;
        state.Peers.Keys.ShouldBe([Self]);
        (state.Csz, state.Qn, state.MembChange).ShouldBe((1, 1, null));
        node.Raft.PendingSelfRemoval().ShouldBeFalse();

        node.Set("term", node.State.Term + 1);
        node.Raft.SwitchToLeader();
        node.Raft.SendAppendEntry(E);
        node.State.Commit.ShouldBe(node.State.Pindex);
    }

    private static void RevertsUncommittedAddPeer(DetachedNode node)
    {
        AddPeers(node, N0);
        Follow(node, Add(N1));
        (node.State.Csz, node.State.MembChange?.Peer).ShouldBe((3, N1));
        node.State.Peers.Keys.ShouldContain(N1);
        Strand(node);

        Evict(node, N0).ShouldBe([N0]);
        NodeState first = node.State;
        first.Peers.Keys.ShouldBe([Self, N1], ignoreOrder: true);
        first.Removed.Keys.ShouldContain(N0);
        (first.Csz, first.Qn).ShouldBe((2, 2));
        first.MembChange.ShouldNotBeNull();

        // Its addition never was, so there is nobody to evict.
        Evict(node, N1).ShouldBeEmpty();
        NodeState second = node.State;
        second.Peers.Keys.ShouldBe([Self]);
        second.Removed.Keys.ShouldNotContain(N1);
        (second.Csz, second.Qn, second.MembChange).ShouldBe((1, 1, null));
    }

    private static void RevertedAddPeerCommitsAsNoopWhenLeader(DetachedNode node)
    {
        AddPeers(node, N0);
        Follow(node, Add(N1));
        (node.State.Csz, node.State.MembChange?.Peer).ShouldBe((3, N1));
        Strand(node);
        Evict(node, N0, N1).ShouldBe([N0]);
        (node.State.Csz, node.State.Qn, node.State.MembChange).ShouldBe((1, 1, null));

        node.Set("term", node.State.Term + 1);
        node.Raft.SwitchToLeader();
        (node.State.Commit, node.State.Csz, node.State.Qn).ShouldBe((3UL, 1, 1));
        node.State.Peers.Keys.ShouldNotContain(N1);
        node.Raft.SendAppendEntry(E);
        node.State.Commit.ShouldBe(4UL);
        node.State.Peers.Keys.ShouldNotContain(N1);
    }

    private static void AddPeers(DetachedNode node, params string[] peers)
        => Array.ForEach(peers, peer => node.Raft.AddPeer(peer));

    /// <summary>N0 leads: one entry, then the change, neither committed.</summary>
    private static void Follow(DetachedNode node, Entry change)
    {
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, change));
    }

    /// <summary>The group is managed and has no leader.</summary>
    private static void Strand(DetachedNode node)
    {
        node.Set("managed", true);
        node.Raft.UpdateLeader("");
    }

    private static IReadOnlyList<string> Evict(DetachedNode node, params string[] peers)
        => node.Raft.EvictPeers(peers);

    private static (int Previous, int Current) Rescue(DetachedNode node, int quorum)
        => node.Raft.RescueQuorum(quorum);

    private static void StoreOne(DetachedNode node)
    {
        AppendEntry one = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        one.LTerm = 1;
        node.Live(one);
        node.State.Pindex.ShouldBe(1UL);
        node.Raft.UpdateLeader("");
    }

    private static void SetSizes(DetachedNode node, int clusterSize, int quorum)
        => node.Set(new() { ["csz"] = clusterSize, ["qn"] = quorum });
}
