using System.Text;
using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Who was heard from, and who is added for it.</summary>
[Collection("live")]
public class RaftNodeTestsPeerTracking
{
    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2689")]
    [Trait("Kind", "live")]
    public void TestNRGTrackPeerActive(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, "_meta_", transport: transport);
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder>[] others = [.. group.NonLeaders()];
        (Member<Adder> observed, Member<Adder> next) = (others[0], others[1]);

        group.Advance(TimeSpan.FromSeconds(2));
        ExpectRecent(observed);
        leader.Node.StepDown(next.Id);
        group.Advance(TimeSpan.FromSeconds(2));
        group.Leader.ShouldBe(next);

        // A follower tracks the present leader only; of the former one it knows nothing.
        ExpectRecent(observed);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTrackPeerAutoAddOnlyUnmanaged()
    {
        using DetachedNode node = DetachedNode.Open();
        node.Set("state", (int)RaftState.Leader);
        node.State.Prop.ShouldBe(0);

        node.Raft.TrackPeer(N0);
        node.State.Prop.ShouldBe(1);
        Entry proposal = node.Raft.TakeProposals().ShouldHaveSingleItem().Entry;
        (proposal.Type, Encoding.Latin1.GetString(proposal.Data.Span))
            .ShouldBe((EntryType.AddPeer, N0));
        node.State.Observed.ShouldBeEmpty();

        node.Set("managed", true);
        node.Raft.TrackPeer(N1);
        node.State.Prop.ShouldBe(0);
        node.State.Observed.Keys.ShouldBe([N1]);
        node.Raft.LastHeardFromPeer(N1).ShouldNotBeNull();
    }

    /// <summary>Whoever was ever heard from was heard from within the last second.</summary>
    private static void ExpectRecent(Member<Adder> member)
    {
        NodeState inside = member.Node.Inside();
        PeerRecord[] heard =
        [
            .. inside.Peers.Where(peer => peer.Key != member.Id && peer.Value.Ts != 0)
                .Select(peer => peer.Value),
        ];
        heard.ShouldNotBeEmpty("its leader at least");
        foreach (PeerRecord peer in heard)
        {
            TimeSpan ago = TimeSpan.FromTicks((long)(inside.Now - peer.Ts) / 100);
            ago.ShouldBeLessThan(TimeSpan.FromSeconds(1));
        }
    }
}
