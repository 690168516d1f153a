using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// What members forward to their leader. The reference's leader loop runs in a second thread and in
/// real time; here it is played for as long as a test says, before and after the message.
/// </summary>
public class RaftNodeTestsForwarding
{
    [RaftTheory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("ID", "2704")]
    [Trait("Kind", "white-box")]
    public void TestNRGUncommittedMembershipChangeOnNewLeaderForwardedRemovePeerProposal(
        bool changeInherited)
    {
        // The second case is the counterpart: without the change in its way the removal is taken.
        using DetachedNode node = Open();
        node.Call("add_peer", N1);
        node.Call("add_peer", N2);
        node.Live(
            Ae(N1, term: 1, commit: 0, pterm: 0, pindex: 0, changeInherited ? Remove(N2) : E));
        (node.State.Pindex, node.Is("healthy")).ShouldBe((1UL, false));
        node.Set("term", 2);
        node.Call("switch_to_leader");
        node.Set("leaderState", true);
        Play(node);
        if (!changeInherited)
        {
            // A leader changes nothing before it has committed in its term.
            node.Ar(2, 2, N1, success: true);
        }

        ulong before = node.State.Pindex;
        node.Is("membership_change_in_progress").ShouldBe(changeInherited);

        node.Call("handle_forwarded_remove_peer_proposal", Vectors.Hex(IdBytes(N1)), "reply");
        Play(node);

        node.State.Role.ShouldBe(RaftState.Leader);
        node.State.Pindex.ShouldBe(changeInherited ? before : before + 1);
        node.Is("membership_change_in_progress").ShouldBeTrue();
        node.State.MembChange!.Peer.ShouldBe(changeInherited ? N2 : N1);
        node.TakeSentTo("reply").Count.ShouldBe(changeInherited ? 0 : 1);
    }

    [RaftTheory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("ID", "2705")]
    [Trait("Kind", "white-box")]
    public void TestNRGIgnoreForwardedProposalIfNotCaughtUpLeader(bool caughtUp)
    {
        // The reference's leader loop runs in a second thread and in real time; here it is played
        // for as long as a test says, before and after the proposal. The second case is its
        // counterpart: a leader that has caught up takes the proposal.
        using DetachedNode node = Open();
        node.Call("add_peer", N1);
        node.Call("add_peer", N2);
        node.Set("term", 1);
        node.Call("switch_to_leader");
        Play(node);
        node.Set("leaderState", caughtUp);
        ulong before = node.State.Pindex;

        node.Call("handle_forwarded_proposal", "", "reply");
        Play(node);

        node.State.Role.ShouldBe(RaftState.Leader);
        node.State.Pindex.ShouldBe(caughtUp ? before + 1 : before);
    }

    private static byte[] IdBytes(string peer) => [.. peer.Select(letter => (byte)letter)];

    private static void Play(DetachedNode node)
        => node.Call("run_as_leader", (ulong)TimeSpan.FromMilliseconds(200).TotalNanoseconds);
}
