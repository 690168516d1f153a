using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// What members forward to their leader. The server's leader loop runs in a second thread and in
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
        node.Raft.AddPeer(N1);
        node.Raft.AddPeer(N2);
        node.Live(
            Ae(N1, term: 1, commit: 0, pterm: 0, pindex: 0, changeInherited ? Remove(N2) : E));
        (node.State.Pindex, node.Raft.Healthy()).ShouldBe((1UL, false));
        node.Set("term", 2);
        node.Raft.SwitchToLeader();
        node.Set("leaderState", true);
        Play(node);
        if (!changeInherited)
        {
            // A leader changes nothing before it has committed in its term.
            node.Ar(2, 2, N1, success: true);
        }

        ulong before = node.State.Pindex;
        node.Raft.MembershipChangeInProgress().ShouldBe(changeInherited);

        node.Raft.HandleForwardedRemovePeerProposal(IdBytes(N1), "reply");
        Play(node);

        node.State.Role.ShouldBe(RaftState.Leader);
        node.State.Pindex.ShouldBe(changeInherited ? before : before + 1);
        node.Raft.MembershipChangeInProgress().ShouldBeTrue();
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
        // The server's leader loop runs in a second thread and in real time; here it is played
        // for as long as a test says, before and after the proposal. The second case is its
        // counterpart: a leader that has caught up takes the proposal.
        using DetachedNode node = Open();
        node.Raft.AddPeer(N1);
        node.Raft.AddPeer(N2);
        node.Set("term", 1);
        node.Raft.SwitchToLeader();
        Play(node);
        node.Set("leaderState", caughtUp);
        ulong before = node.State.Pindex;

        node.Raft.HandleForwardedProposal(default, "reply");
        Play(node);

        node.State.Role.ShouldBe(RaftState.Leader);
        node.State.Pindex.ShouldBe(caughtUp ? before + 1 : before);
    }

    private static byte[] IdBytes(string peer) => [.. peer.Select(letter => (byte)letter)];

    private static void Play(DetachedNode node)
        => node.Raft.RunAsLeader(TimeSpan.FromMilliseconds(200));
}
