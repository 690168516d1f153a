using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Counting acknowledgements and committing, of a node driven by hand.</summary>
public class RaftNodeTestsQuorum
{
    [RaftFact]
    [Trait("ID", "2663")]
    [Trait("Kind", "white-box")]
    public void TestNRGQuorumAccounting()
    {
        using DetachedNode node = OfFive();
        node.Raft.SwitchToLeader();
        node.Set("term", 1);
        node.State.Pindex.ShouldBe(1UL);

        node.Ar(term: 1, index: 1, N1, success: true);
        node.State.Commit.ShouldBe(0UL);

        node.Ar(term: 1, index: 1, N2, success: true);
        node.State.Commit.ShouldBe(1UL);
    }

    [RaftFact]
    [Trait("ID", "2664")]
    [Trait("Kind", "white-box")]
    public void TestNRGRevalidateQuorumAfterLeaderChange()
    {
        using DetachedNode node = OfFive();
        node.Set("term", 1);
        node.Raft.SwitchToLeader();
        (node.State.Term, node.State.Pindex).ShouldBe((1UL, 1UL));

        node.Ar(term: 1, index: 1, N1, success: true);
        node.State.Commit.ShouldBe(0UL);
        node.State.Acks.Keys.ShouldBe(["1"]);

        node.Raft.StepDownCore("");
        node.Set("term", 6);
        node.Raft.SwitchToLeader();
        (node.State.Term, node.State.Pindex).ShouldBe((6UL, 2UL));

        // The old acknowledgement is gone: counting begins anew.
        node.Ar(term: 6, index: 2, N2, success: true);
        node.State.Commit.ShouldBe(0UL);
        node.State.Acks.Keys.ShouldBe(["2"]);
    }

    [RaftFact]
    [Trait("ID", "2667")]
    [Trait("Kind", "white-box")]
    public void TestNRGIgnoreTrackResponseWhenNotLeader()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N1);
        node.Set("lsut", 0);
        (node.State.Csz, node.State.Qn).ShouldBe((2, 2));

        node.Set("term", 1);
        node.Raft.SwitchToLeader();
        ExpectOneUncommitted(node);

        node.Raft.StepDownCore("");
        ExpectOneUncommitted(node);

        var response = new AppendEntryResponse(Term: 1, Index: 1, "somePeer", Success: true);
        node.Raft.TrackResponse(response).ShouldBeFalse();
        node.State.Commit.ShouldBe(0UL);
    }

    [RaftFact]
    [Trait("ID", "2662")]
    [Trait("Kind", "white-box")]
    public void TestNRGAppendEntryCanEstablishQuorumAfterLeaderChange()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Pindex, node.State.Aflr).ShouldBe((1UL, 0UL));

        node.Raft.SwitchToLeader();
        (node.State.Aflr, node.State.Commit).ShouldBe((2UL, 0UL));

        // Both entries are committed together.
        node.Ar(term: 1, index: 2, N0, success: true);
        (node.State.Aflr, node.State.Commit).ShouldBe((2UL, 2UL));

        node.Raft.Applied(2);
        node.State.Aflr.ShouldBe(0UL);
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void AppendEntry_BeforeItIsDurable_IsNeitherAnsweredNorCounted()
    {
        // Differs from the server, which answers before the sync: a success is a promise.
        using DetachedNode node = Open(RaftLogKind.File);
        node.Raft.AddPeer(N0);
        node.TakeSent();
        node.HoldSync(true);

        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E), "answers");
        node.State.Pindex.ShouldBe(1UL);
        node.TakeAnswer("answers").ShouldBeNull();

        node.HoldSync(false);
        (AppendEntryResponse Answer, string Reply) answer =
            node.TakeAnswer("answers").ShouldNotBeNull();
        answer.Answer.ShouldBe(new AppendEntryResponse(1, 1, Self, true));

        // The leader's own entry: the other's acknowledgement alone is no quorum of two.
        node.HoldSync(true);
        node.Raft.SwitchToCandidate();
        node.Raft.SwitchToLeader();
        node.Ar(term: 2, index: 2, N0, success: true);
        node.State.Commit.ShouldBe(0UL);
        node.HoldSync(false);
        node.State.Commit.ShouldBe(2UL);
    }

    private static DetachedNode OfFive()
    {
        DetachedNode node = Open();
        node.Raft.AddPeer(N1);
        node.Raft.AddPeer(N2);
        node.Raft.AdjustBootClusterSize(5);
        (node.State.Csz, node.State.Qn, node.State.Peers.Count).ShouldBe((5, 3, 3));
        return node;
    }

    private static void ExpectOneUncommitted(DetachedNode node)
    {
        NodeState state = node.State;
        (state.Term, state.Pindex, state.Pterm, state.Commit).ShouldBe((1UL, 1UL, 1UL, 0UL));
    }
}
