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
    [Trait("ID", "2656")]
    [Trait("Kind", "white-box")]
    public void TestNRGTruncateDownToCommittedWhenTruncateFails()
    {
        using DetachedNode node = Open();
        node.Raft.WalFailTruncate();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Commit, node.State.Wal.Msgs).ShouldBe((0UL, 1UL));
        node.LeaderOfEntry(1).ShouldBe(N0);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        (node.State.Commit, node.State.Wal.Msgs).ShouldBe((1UL, 2UL));
        node.LeaderOfEntry(2).ShouldBe(N0);

        node.Live(Ae(N1, term: 2, commit: 1, pterm: 1, pindex: 1, E));

        NodeState state = node.State;
        state.Werr.ShouldContain("test: truncate always fails");
        (state.Pindex, state.Pterm, state.Role).ShouldBe((2UL, 1UL, RaftState.Closed));
    }

    [RaftFact]
    [Trait("ID", "2683")]
    [Trait("Kind", "file")]
    public void TestNRGTruncateOnStartup()
    {
        using DetachedNode node = Open(RaftLogKind.File, peers: [Self, N0]);
        AppendEntry second = Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E);
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(second);
        node.State.Pindex.ShouldBe(2UL);
        ExpectWal(node, first: 1, last: 2);

        // A cut that the node was not told of any more. In our log it is one record: there is no
        // half of it to be found.
        node.Raft.WalTruncate(1);
        ExpectWal(node, first: 1, last: 1);
        node.Restart();
        ExpectWal(node, first: 1, last: 1);
        node.State.Pindex.ShouldBe(1UL);

        // Differs from the server, which cuts the log at an entry that does not fit: nobody knows
        // here whether it was committed, so the node is not started and the file stays.
        second.PIndex = 0;
        node.Raft.WalStore(second.Encode()).ShouldBe(2UL);
        ExpectWal(node, first: 1, last: 2);
        Should.Throw<RaftStorageException>(node.Restart).DataIsSafe.ShouldBeFalse();
        Should.Throw<RaftStorageException>(node.Reopen).Status.ShouldBe(RaftStatus.EntryLoadFailed);
    }

    [RaftTheory]
    [InlineData(3, 3, 6)]
    [InlineData(3, 6, 9)]
    [InlineData(0, 1, 2)]
    [Trait("ID", "new")]
    [Trait("Kind", "file")]
    public void TestNRGBootstrapExpectedClusterSize(int routes, int gatewayUrls, uint expected)
    {
        // Counting addresses, each once and without looking a name up, is the host's: its own
        // cluster's gateway left out, it hands in how many there are.
        using var folder = new TestFolder();
        var config = new RaftConfig { PeerId = Self, Name = "_meta_", StoreRoot = folder.Path };

        RaftRuntime.Bootstrap(config, [], allPeersKnown: false, routes, gatewayUrls);

        byte[] file = File.ReadAllBytes(Path.Combine(folder.Path, "_meta_", "peers.idx"));
        PeerState state = PeerState.Decode(file);
        (state.ClusterSize, state.KnownPeers.Count).ShouldBe((expected, 0));
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

    private static void ExpectWal(DetachedNode node, ulong first, ulong last)
    {
        WalState wal = node.State.Wal;
        (wal.Msgs, wal.First, wal.Last).ShouldBe((last - first + 1, first, last));
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
