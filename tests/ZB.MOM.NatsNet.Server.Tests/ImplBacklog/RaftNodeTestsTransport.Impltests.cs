using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// Membership changes on a network that is cut in the very moment of a message, on moved time.
/// </summary>
[Collection("live")]
public class RaftNodeTestsTransport
{
    private static readonly TimeSpan OneSecond = TimeSpan.FromSeconds(1);

    [RaftFact(Live = true)]
    [Trait("ID", "new")]
    [Trait("Kind", "transport")]
    public void TestNRGPartitionedPeerRemove()
    {
        using TestGroup<Adder> group = Create(2);
        Member<Adder> leader = group.WaitOnLeader();
        leader.Node.ClusterSize().ShouldBe(2);
        Member<Adder> follower = group.NonLeaders().ShouldHaveSingleItem();
        group.Network.CutOffAfter(group.AppendEntrySubject, additionBy: null);

        group.Network.SetPartition(leader.Id, 1);
        leader.Node.ProposeRemovePeer(follower.Id);
        follower.Node.CampaignImmediately();

        group.Until(() => leader.Node.ClusterSize() == 1, "the removal", OneSecond);
        group.Until(
            () => !leader.Node.MembershipChangeInProgress(), "the removal's commit", OneSecond);
        group.Network.CutsMade().ShouldBeGreaterThan(0UL);

        // The follower knows nothing of it, and alone it is no quorum.
        follower.Node.State().ShouldNotBe(RaftState.Leader);
        follower.Node.ClusterSize().ShouldBe(2);
        follower.Node.MembershipChangeInProgress().ShouldBeFalse();

        group.Network.Heal(leader.Id);
        group.Until(() => follower.Node.ClusterSize() == 1, "the news", OneSecond);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "new")]
    [Trait("Kind", "transport")]
    public void TestNRGPeerAddAndPartitionLeader()
    {
        using TestGroup<Adder> group = Create(3);
        Member<Adder> old = group.WaitOnLeader();
        group.Network.CutOffAfter(group.AppendEntrySubject, additionBy: old.Id, old.Id);

        Member<Adder> newcomer = group.Add();
        Member<Adder>[] others = [.. group.Members.Where(member => member != old)];
        others.ShouldContain(newcomer);
        group.Until(() => others.Any(member => member.Node.Leader()), "a leader without the old");
        group.Network.CutsMade().ShouldBeGreaterThan(0UL);
        group.Until(
            () => others.All(member => member.Node.ClusterSize() == 4), "four members", OneSecond);

        group.Network.Heal(old.Id);

        group.Until(
            () => !old.Node.MembershipChangeInProgress() && old.Node.ClusterSize() == 4,
            "the old leader's view",
            OneSecond);
        others.ShouldAllBe(member => member.Node.ClusterSize() == 4);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "new")]
    [Trait("Kind", "transport")]
    public void TestNRGLeaderWithoutQuorumAfterPeerAdd()
    {
        using TestGroup<Adder> group = Create(3);
        Member<Adder> leader = group.WaitOnLeader();
        IReadOnlyList<Member<Adder>> followers = group.NonLeaders();
        group.Network.CutOffAfter(
            group.AppendEntrySubject, additionBy: leader.Id, leader.Id, followers[0].Id);

        Member<Adder> newcomer = group.Add();
        Member<Adder>[] rest = [newcomer, followers[1]];
        group.Until(() => group.Network.CutsMade() > 0, "the addition");

        // Two of four are no quorum, on either side.
        for (int look = 0; look < 100; look++)
        {
            group.Advance(TimeSpan.FromMilliseconds(100));
            rest.ShouldAllBe(member => !member.Node.Leader());
        }

        group.Network.Heal(leader.Id);
        group.Network.Heal(followers[0].Id);
        group.WaitOnLeader();
        group.Until(
            () => group.Members.All(member => member.Node.ClusterSize() == 4),
            "four members",
            OneSecond);
    }

    private static TestGroup<Adder> Create(int size)
        => AdderGroup.Create(size, RaftLogKind.Memory, "MOCK");
}
