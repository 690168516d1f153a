using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Members that come and go in live groups, on moved time.</summary>
[Collection("live")]
public class RaftNodeTestsMembershipLive
{
    private static readonly TimeSpan OneSecond = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TwoSeconds = TimeSpan.FromSeconds(2);

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2639")]
    [Trait("Kind", "live")]
    public void TestNRGRemoveLeaderPeerDeadlockBug(GroupTransport transport)
    {
        using TestGroup<Adder> group = Create(transport);
        Member<Adder> leader = group.WaitOnLeader();

        leader.Node.ProposeRemovePeer(leader.Id);
        group.WaitOnLeader();

        group.Until(() => leader.Node.GroupLeader() != leader.Id, "the old leader's farewell");
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2700")]
    [Trait("Kind", "live")]
    public void TestNRGProposeRemovePeer(GroupTransport transport)
    {
        using TestGroup<Adder> group = Create(transport);
        Member<Adder> leader = group.WaitOnLeader();

        leader.Node.ProposeRemovePeer(group.NonLeaders()[0].Id);

        ExpectPeers(group, 2);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "new")]
    [Trait("Kind", "live")]
    public void TestNRGProposeRemovePeerNonExistent(GroupTransport transport)
    {
        const string Stranger = "deadbeef";
        using TestGroup<Adder> group = Create(transport);
        Member<Adder> leader = group.WaitOnLeader();
        leader.Node.PeerNames().ShouldNotContain(Stranger);

        Refusal(() => leader.Node.ProposeRemovePeer(Stranger)).ShouldBe(RaftStatus.PeerNotFound);
        leader.Node.MembershipChangeInProgress().ShouldBeFalse();
        foreach (Member<Adder> member in group.Members)
        {
            NodeState inside = member.Node.Inside();
            inside.Removed.Keys.ShouldNotContain(Stranger);
            inside.Peers.Count.ShouldBe(3);
        }

        leader.Node.ProposeRemovePeer(group.NonLeaders()[0].Id);
        ExpectPeers(group, 2, TwoSeconds);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2701")]
    [Trait("Kind", "live")]
    public void TestNRGProposeRemovePeerConcurrent()
    {
        using TestGroup<Adder> group = Create();
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder>[] followers = [.. group.NonLeaders()];
        group.Freeze(followers);

        leader.Node.ProposeRemovePeer(followers[0].Id);
        group.Until(leader.Node.MembershipChangeInProgress, "a change in progress", TwoSeconds);
        Refusal(() => leader.Node.ProposeRemovePeer(followers[1].Id))
            .ShouldBe(RaftStatus.MembershipChange);
        group.Unfreeze(followers);

        ExpectPeers(group, 2);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2706")]
    [Trait("Kind", "live")]
    public void TestNRGProposeRemovePeerQuorum()
    {
        using TestGroup<Adder> group = Create();
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder>[] followers = [.. group.NonLeaders()];
        group.Freeze([followers[0]]);

        leader.Node.ProposeRemovePeer(followers[1].Id);
        group.Advance(OneSecond);
        leader.Node.MembershipChangeInProgress().ShouldBeTrue("who leaves does not count");
        group.Unfreeze([followers[0]]);

        group.Until(() => !leader.Node.MembershipChangeInProgress(), "the commit of the change");
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2707")]
    [Trait("Kind", "live")]
    public void TestNRGProposeRemovePeerLeader()
    {
        using TestGroup<Adder> group = Create();
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder> frozen = group.NonLeaders()[0];
        group.Freeze([frozen]);

        leader.Node.ProposeRemovePeer(leader.Id);
        group.Advance(OneSecond);
        leader.Node.MembershipChangeInProgress().ShouldBeTrue("the leader does not count itself");
        group.Unfreeze([frozen]);

        group.Until(() => !leader.Node.MembershipChangeInProgress(), "the commit of the change");
        group.Until(
            () => group.Leader is { } now && now != leader, "another leader");
        leader.Node.State().ShouldBe(RaftState.Closed);
        Raft next = group.Leader!.Node;
        next.ID().ShouldNotBe(leader.Id);
        (next.Peers().Count, next.MembershipChangeInProgress()).ShouldBe((2, false));
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2709")]
    [Trait("Kind", "live")]
    public void TestNRGLeaderResurrectsRemovedPeers(GroupTransport transport)
    {
        using TestGroup<Adder> group = Create(transport);
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder>[] followers = [.. group.NonLeaders()];
        leader.Node.ProposeRemovePeer(followers[0].Id);
        group.Until(() => leader.Node.Peers().Count == 2, "two members", TwoSeconds);

        // Not only in force: until it is committed a memory log is all there is of it.
        group.Until(
            () => !leader.Node.MembershipChangeInProgress(), "the change's commit", TwoSeconds);
        group.Stop(leader);
        group.Stop(followers[1]);

        group.Restart(leader);
        leader.Node.Peers().Count.ShouldBe(2);
        group.Restart(followers[1]);
        leader.Node.Peers().Count.ShouldBe(2);
        group.Advance(TwoSeconds);
        leader.Node.Peers().Count.ShouldBe(2);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2710")]
    [Trait("Kind", "live")]
    public void TestNRGAddPeers(GroupTransport transport)
    {
        using TestGroup<Adder> group = Create(transport);
        Member<Adder> leader = group.WaitOnLeader();
        leader.Node.ClusterSize().ShouldBe(3);

        for (int more = 0; more < 6; more++)
        {
            group.Add();
        }

        group.Until(() => leader.Node.ClusterSize() == 9, "nine members", OneSecond);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2711")]
    [Trait("Kind", "live")]
    public void TestNRGDisjointMajorities()
    {
        using TestGroup<Adder> group = Create();
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder>[] followers = [.. group.NonLeaders()];
        group.Freeze(followers);

        group.Add();
        group.Until(() => leader.Node.ClusterSize() == 4, "four members", OneSecond);
        group.Add();
        group.Advance(OneSecond);

        // The newcomers alone make no majority.
        leader.Node.ClusterSize().ShouldBe(4);
        leader.Node.MembershipChangeInProgress().ShouldBeTrue();
        group.Unfreeze(followers);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2713")]
    [Trait("Kind", "live")]
    public void TestNRGSingleNodeElection(GroupTransport transport)
    {
        using TestGroup<Adder> group = Create(transport);
        for (int left = 2; left >= 1; left--)
        {
            Member<Adder> leader = group.WaitOnLeader();
            leader.Node.ProposeRemovePeer(leader.Id);
            group.Until(
                () => leader.Node.State() != RaftState.Leader, "an old leader", OneSecond);
            leader.Node.MembershipChangeInProgress().ShouldBeFalse();
        }

        Member<Adder> survivor = group.WaitOnLeader();
        ExpectAlone(survivor.Node);
        foreach (long delta in (long[])[1, 10, 100])
        {
            survivor.Propose(delta);
        }

        group.WaitOnTotal(111);
        group.Add();
        group.Add();

        group.Until(() => survivor.Node.ClusterSize() == 3, "three members", OneSecond);
        group.Until(
            () => !survivor.Node.MembershipChangeInProgress(), "the commit of both", OneSecond);
        group.WaitOnTotal(111);
        survivor.Node.ClusterSize().ShouldBe(3);

        static void ExpectAlone(Raft node)
            => (node.Peers().Count, node.ClusterSize(), node.MembershipChangeInProgress())
                .ShouldBe((1, 1, false));
    }

    private static TestGroup<Adder> Create(
        GroupTransport transport = GroupTransport.Loopback)
        => AdderGroup.Create(3, RaftLogKind.Memory, transport: transport);

    private static RaftStatus Refusal(Action call) => Should.Throw<RaftException>(call).Status;

    /// <summary>Every member, also one that was removed, comes to know so many members.</summary>
    private static void ExpectPeers(TestGroup<Adder> group, int count, TimeSpan? within = null)
        => group.Until(
            () => group.Members.All(member => member.Node.Peers().Count == count),
            $"{count} members everywhere",
            within);
}
