using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>Members, quorum and bounds, as a host deals with them.</summary>
public class MembershipTests
{
    [RaftFact]
    public void ProposedPeer_JoinsAndLeaves()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;

        node.ProposeAddPeer(Ids.S2);
        group.Until(() => node.ClusterSize() == 2, "two members");
        node.PeerNames().ShouldBe([Ids.Self, Ids.S2], ignoreOrder: true);
        node.MembershipChangeInProgress().ShouldBeFalse("a lone leader adds its first peer alone");
        node.ProposeRemovePeer(Ids.S2);

        group.Until(() => node.ClusterSize() == 1, "one member");
        (node.Peers().Count, node.VotingPeerNames().Count).ShouldBe((1, 1));
    }

    [RaftFact]
    public void ChangeThatCannotBe_IsRefusedWithItsStatus()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Raft leader = group.WaitOnLeader().Node;
        Raft follower = group.NonLeaders()[0].Node;

        Status(() => leader.ProposeRemovePeer(Ids.N0)).ShouldBe(RaftStatus.PeerNotFound);
        Status(() => follower.ProposeAddPeer(Ids.N0)).ShouldBe(RaftStatus.NotLeader);
        group.Freeze(group.NonLeaders());
        leader.ProposeAddPeer(Ids.N0);
        Status(() => leader.ProposeRemovePeer(follower.ID()))
            .ShouldBe(RaftStatus.MembershipChange);
        Should.Throw<ArgumentException>(() => leader.ProposeAddPeer("short"));
        Should.Throw<ArgumentException>(() => leader.ProposeRemovePeer(""));
    }

    [RaftFact]
    public void PeerOfAPendingRemoval_VotesAndIsNoMember()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Raft leader = group.WaitOnLeader().Node;
        string follower = group.NonLeaders()[0].Id;
        group.Freeze(group.NonLeaders());

        leader.ProposeRemovePeer(follower);
        group.Until(leader.MembershipChangeInProgress, "a change in progress");

        leader.PeerNames().ShouldNotContain(follower);
        leader.Peers().Select(peer => peer.Id).ShouldNotContain(follower);
        leader.VotingPeerNames().ShouldContain(follower);
    }

    [RaftFact]
    public void RescueQuorum_LowersTheQuorumOfALeaderlessGroup()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Member<Adder> leader = group.WaitOnLeader();
        leader.Propose(5);
        group.WaitOnTotal(5);
        Status(() => leader.Node.RescueQuorum(1)).ShouldBe(RaftStatus.RescueLeaderKnown);
        Member<Adder>[] others = [.. group.NonLeaders()];
        Raft survivor = others[0].Node;
        group.Stop(leader);
        group.Stop(others[1]);
        group.Until(survivor.Leaderless, "no leader");

        Status(() => survivor.RescueQuorum(3)).ShouldBe(RaftStatus.RescueBadQuorum);
        Status(() => survivor.RescueQuorum(-1)).ShouldBe(RaftStatus.RescueBadQuorum);
        survivor.RescueQuorum(1).ShouldBe((2, 1));

        group.Until(survivor.Leader, "the survivor leads alone");
        (survivor.InRescue(), survivor.QuorumNeeded()).ShouldBe((true, 1));
        others[0].Propose(2);
        group.WaitOnTotal(7);
    }

    [RaftFact]
    public void EvictPeers_AnswersWhyNot()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;

        Status(() => node.EvictPeers([Ids.S2])).ShouldBe(RaftStatus.NotManaged);
        Status(() => node.EvictPeers([])).ShouldBe(RaftStatus.NotManaged);
        Should.Throw<ArgumentException>(() => node.EvictPeers(["short"]));
        Should.Throw<ArgumentNullException>(() => node.EvictPeers(null!));
    }

    private static RaftStatus Status(Action call) => Should.Throw<RaftException>(call).Status;
}
