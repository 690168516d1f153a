using System.Text;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Truncation and the cache of pending entries, of a node driven by hand.</summary>
public class RaftNodeTestsLog
{
    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTruncateWALClearsPendingAppendEntryCache()
    {
        using DetachedNode node = WithThreeEntries();

        node.Raft.TruncateWAL(1, 1);

        NodeState state = node.State;
        (state.Pindex, state.Pterm, state.Wal.Msgs).ShouldBe((1UL, 1UL, 1UL));
        state.Pae.ShouldBe([1UL]);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGResetWALClearsPendingAppendEntryCache()
    {
        using DetachedNode node = WithThreeEntries();

        node.Raft.ResetWAL();

        NodeState state = node.State;
        (state.Pindex, state.Wal.Msgs).ShouldBe((0UL, 0UL));
        state.Pae.ShouldBeEmpty();
    }

    [RaftFact]
    [Trait("ID", "2719")]
    [Trait("Kind", "file")]
    public void TestNRGReplayAddPeerKeepsClusterSize()
    {
        using DetachedNode node = Open(RaftLogKind.File, peers: [Self, N1, N2]);
        node.State.Csz.ShouldBe(3);
        var join = new Entry(EntryType.AddPeer, Encoding.Latin1.GetBytes(N1));
        node.Live(Ae(Self, term: 2, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(Self, term: 2, commit: 2, pterm: 2, pindex: 1, join));
        node.State.Commit.ShouldBe(2UL);

        node.Restart();

        (node.State.Csz, node.State.Qn, node.State.Pindex).ShouldBe((3, 2, 2UL));
    }

    [RaftFact]
    [Trait("Kind", "file")]
    public void Restart_AfterUncommittedEntries_KeepsLogTermAndVoteAndCommitsNothing()
    {
        using DetachedNode node = Open(RaftLogKind.File, peers: [Self, N0, N1]);
        node.Live(Ae(N0, term: 3, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 3, commit: 1, pterm: 3, pindex: 1, E));
        node.Vr(term: 5, lastTerm: 3, lastIndex: 2, N1);
        NodeState before = node.State;
        (before.Term, before.Vote, before.Commit).ShouldBe((5UL, N1, 1UL));

        node.Restart();

        // The commit index of the server is not stored either: the last entry carries the one
        // that was known when it was made.
        NodeState after = node.State;
        (after.Term, after.Vote, after.Pterm, after.Pindex, after.Commit)
            .ShouldBe((5UL, N1, 3UL, 2UL, 1UL));
        (after.Role, after.Leader, after.Csz, after.Qn).ShouldBe((RaftState.Follower, "", 3, 2));
        node.LeaderOfEntry(2).ShouldBe(N0);
    }

    private static DetachedNode WithThreeEntries()
    {
        DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 2, E));
        NodeState state = node.State;
        (state.Pindex, state.Wal.Msgs).ShouldBe((3UL, 3UL));
        state.Pae.ShouldBe([1UL, 2UL, 3UL]);
        return node;
    }
}
