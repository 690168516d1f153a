using System.Text.Json;
using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>The follower's side of a catch-up, of a node driven by hand.</summary>
public class RaftNodeTestsCatchup
{
    private const string Reply = "$TEST";

    [RaftFact]
    [Trait("ID", "2643")]
    [Trait("Kind", "white-box")]
    public void TestNRGCatchupDoesNotTruncateUncommittedEntriesWithQuorum()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        ExpectLog(node, length: 1, leaderOfLast: N0);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        node.State.Commit.ShouldBe(1UL);

        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        ExpectLog(node, length: 2, leaderOfLast: N0);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 2, E));
        ExpectLog(node, length: 3, leaderOfLast: N0);

        // The position is known and its term is another: the last entry goes, silently.
        AppendEntry third = Ae(N1, term: 2, commit: 1, pterm: 2, pindex: 3, E);
        node.TakeSent();
        node.Live(third, Reply);
        node.State.Wal.Msgs.ShouldBe(2UL);
        node.State.Catchup.ShouldBeNull();
        node.TakeAnswer(Reply).ShouldBeNull();

        node.Live(Ae(N1, term: 2, commit: 2, pterm: 2, pindex: 4));
        (node.State.Wal.Msgs, node.State.Commit).ShouldBe((2UL, 1UL));
        ExpectCatchup(node, from: (1, 2));

        node.Cu(Ae(N1, term: 2, commit: 1, pterm: 1, pindex: 2, E));
        node.State.Wal.Msgs.ShouldBe(3UL);
        node.State.Catchup.ShouldNotBeNull();

        node.Cu(third);
        ExpectLog(node, length: 4, leaderOfLast: N1);
        node.State.Catchup.ShouldNotBeNull();

        node.Live(Ae(N1, term: 2, commit: 4, pterm: 2, pindex: 4));
        node.State.Commit.ShouldBe(4UL);
        node.State.Catchup.ShouldBeNull();
    }

    [RaftFact]
    [Trait("ID", "2645")]
    [Trait("Kind", "white-box")]
    public void TestNRGCatchupDoesNotTruncateCommittedEntriesDuringRedelivery()
    {
        using DetachedNode node = Open();
        AppendEntry first = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        node.Live(first);
        ExpectLog(node, length: 1, leaderOfLast: N0);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        ExpectLog(node, length: 2, leaderOfLast: N0);
        node.Live(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2));
        node.State.Commit.ShouldBe(2UL);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 2, E));
        ExpectLog(node, length: 3, leaderOfLast: N0);

        node.Live(first);
        (node.State.Commit, node.State.Wal.Msgs).ShouldBe((2UL, 3UL));

        node.Live(Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3));
        node.State.Commit.ShouldBe(3UL);
    }

    [RaftFact]
    [Trait("ID", "2646")]
    [Trait("Kind", "white-box")]
    public void TestNRGCatchupFromNewLeaderWithIncorrectPterm()
    {
        using DetachedNode node = Open();
        AppendEntry message = Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 0, E);
        AppendEntry heartbeat = Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1);

        node.Live(heartbeat);
        node.State.Commit.ShouldBe(0UL);
        ExpectCatchup(node, from: (0, 0));

        // Takes over the leader's term for the same index, and ends the catch-up.
        node.Cu(message);
        node.State.Catchup.ShouldBeNull();
        (node.State.Pterm, node.State.Pindex).ShouldBe((1UL, 0UL));

        node.Live(heartbeat);
        node.State.Commit.ShouldBe(0UL);
        ExpectCatchup(node, from: (1, 0));

        node.Cu(message);
        ExpectLog(node, length: 1, leaderOfLast: N0);
        node.Live(heartbeat);
        node.State.Commit.ShouldBe(1UL);
    }

    [RaftFact]
    [Trait("ID", "2653")]
    [Trait("Kind", "white-box")]
    public void TestNRGCancelCatchupWhenDetectingHigherTermDuringVoteRequest()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        ExpectCatchup(node, from: (0, 0));

        node.Cu(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.State.Catchup.ShouldNotBeNull();

        node.Vr(term: 2, lastTerm: 1, lastIndex: 1, N0, "reply");
        node.State.Catchup.ShouldBeNull();
    }

    [RaftFact]
    [Trait("ID", "2666")]
    [Trait("Kind", "white-box")]
    public void TestNRGCatchupDontCountTowardQuorum()
    {
        using DetachedNode node = Open();
        AppendEntry missed = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        AppendEntry trigger = Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E);

        node.Live(trigger, Reply);
        ExpectCatchup(node, from: (0, 0), to: (1, 1));
        (AppendEntryResponse request, string inbox) = node.TakeAnswer(Reply).ShouldNotBeNull();
        (request.Index, request.Peer, request.Success).ShouldBe((0UL, Self, false));
        inbox.ShouldStartWith("$NRG.CR.");

        // What a catch-up delivers is never answered.
        node.Cu(missed, Reply);
        node.TakeAnswer(Reply).ShouldBeNull();
        node.Cu(trigger, Reply);
        node.TakeAnswer(Reply).ShouldBeNull();

        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 2), Reply);
        (AppendEntryResponse Answer, string Reply) success =
            node.TakeAnswer(Reply).ShouldNotBeNull();
        success.ShouldBe((new AppendEntryResponse(1, 2, Self, true), ""));
    }

    [RaftFact]
    [Trait("ID", "2681")]
    [Trait("Kind", "white-box")]
    public void TestNRGDelayedMessagesAfterCatchupDontCountTowardQuorum()
    {
        using DetachedNode node = Open();
        AppendEntry first = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        AppendEntry second = Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E);
        AppendEntry third = Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 2, E);
        node.Live(third, Reply);
        node.State.Catchup.ShouldNotBeNull();
        node.Cu(first, Reply);
        node.Cu(second, Reply);
        (node.State.Pindex, node.State.Commit).ShouldBe((2UL, 1UL));
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);
        node.Raft.InstallSnapshotCore(new RaftSnapshot(1, 1, node.Raft.CurrentPeerState(), []));
        (node.State.Papplied, node.State.Wal.First).ShouldBe((1UL, 2UL));
        node.TakeSent();

        // Late, they would promise what only the catch-up has brought.
        foreach (AppendEntry late in (AppendEntry[])[first, second])
        {
            node.Live(late, Reply);
            node.State.Pindex.ShouldBe(2UL);
            node.TakeAnswer(Reply).ShouldBeNull();
        }

        node.Live(third, Reply);
        node.State.Pindex.ShouldBe(3UL);
        (AppendEntryResponse Answer, string Reply) success =
            node.TakeAnswer(Reply).ShouldNotBeNull();
        success.ShouldBe((new AppendEntryResponse(1, 3, Self, true), ""));
    }

    [RaftTheory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [Trait("ID", "2669")]
    [Trait("Kind", "white-box")]
    public void TestNRGRejectAppendEntryDuringCatchupFromPreviousLeader(
        bool onCatchup, bool withLeaderTerm)
    {
        using DetachedNode node = Open();
        AppendEntry first = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        AppendEntry second = Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E);
        node.Set("term", 1);
        node.Live(second);
        ExpectCatchup(node, from: (0, 0), to: (1, 1));
        if (withLeaderTerm)
        {
            first.LTerm = 1;
            second.LTerm = 1;
        }

        JsonNode saved =
            JsonSerializer.SerializeToNode(node.State.Catchup, JsonSerializerOptions.Web)!;
        ulong sub = node.State.Catchup.ShouldNotBeNull().Sub;
        node.Cu(first);
        (node.State.Pterm, node.State.Pindex).ShouldBe((1UL, 1UL));

        node.Vr(term: 5, lastTerm: 1, lastIndex: 2, N1);
        (node.State.Term, node.State.Catchup).ShouldBe((5UL, null));

        if (onCatchup)
        {
            node.Set("catchup", saved);
            node.CuSaved(sub, second);
        }
        else
        {
            node.Live(second);
        }

        // Only an old server, which does not say its term in a catch-up, is still believed.
        ulong expected = onCatchup && !withLeaderTerm ? 2UL : 1UL;
        (node.State.Pterm, node.State.Pindex).ShouldBe((1UL, expected));
    }

    [RaftFact]
    [Trait("ID", "2685")]
    [Trait("Kind", "white-box")]
    public void TestNRGNewEntriesFromOldLeaderResetsWALDuringCatchup()
    {
        using DetachedNode node = Open();
        AppendEntry[] current =
        [
            Ae(N0, term: 20, commit: 0, pterm: 0, pindex: 0, E),
            Ae(N0, term: 20, commit: 0, pterm: 20, pindex: 1, E),
            Ae(N0, term: 20, commit: 0, pterm: 20, pindex: 2, E),
        ];
        foreach (AppendEntry ae in current)
        {
            ae.LTerm = 20;
        }

        AppendEntry oldFirst = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        AppendEntry oldSecond = Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E);

        node.Live(current[1]);
        ExpectCatchup(node, from: (0, 0), to: (20, 1));
        ulong sub = node.State.Catchup.ShouldNotBeNull().Sub;

        node.CuSaved(sub, current[0]);
        (node.State.Pindex, node.State.Pterm).ShouldBe((1UL, 20UL));

        // Looks stalled, and yet an old leader's entries change nothing.
        node.Set("catchup", new JsonObject { ["pindex"] = 1, ["active"] = 0 });
        node.TakeSent();
        node.Live(oldFirst, Reply);
        (node.State.Pindex, node.State.Pterm).ShouldBe((1UL, 20UL));
        ExpectCatchup(node, from: (0, 1), to: (20, 1));
        (AppendEntryResponse Answer, string Reply) refusal =
            node.TakeAnswer(Reply).ShouldNotBeNull();
        refusal.ShouldBe((new AppendEntryResponse(20, 1, Self, false), ""));

        node.Live(oldSecond);
        (node.State.Pindex, node.State.Pterm).ShouldBe((1UL, 20UL));
        ExpectCatchup(node, from: (0, 1), to: (20, 1));

        node.CuSaved(sub, current[1]);
        (node.State.Pindex, node.State.Pterm, node.State.Catchup).ShouldBe((2UL, 20UL, null));

        // Still accepted: its leader's term is the current one and it continues the log.
        node.CuSaved(sub, current[2]);
        (node.State.Pindex, node.State.Pterm).ShouldBe((3UL, 20UL));
    }

    [RaftFact]
    [Trait("ID", "2691")]
    [Trait("Kind", "white-box")]
    public void TestNRGParallelCatchupRollback()
    {
        using DetachedNode node = Open();
        AppendEntry first = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E);
        AppendEntry second = Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E);
        (first.LTerm, second.LTerm) = (1, 1);

        node.Live(second);
        node.State.Pindex.ShouldBe(0UL);
        ExpectCatchup(node, from: (0, 0), to: (1, 1));
        ulong sub = node.State.Catchup.ShouldNotBeNull().Sub;

        node.CuSaved(sub, first);
        node.State.Pindex.ShouldBe(1UL);
        node.CuSaved(sub, second);
        (node.State.Pindex, node.State.Catchup).ShouldBe((2UL, null));

        node.TakeSent();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 2), Reply);
        (AppendEntryResponse Answer, string Reply) success =
            node.TakeAnswer(Reply).ShouldNotBeNull();
        success.ShouldBe((new AppendEntryResponse(1, 2, Self, true), ""));

        // A stale parallel catch-up truncates nothing.
        node.CuSaved(sub, first);
        node.State.Pindex.ShouldBe(2UL);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGCatchupFromSnapshotClearsPendingAppendEntryCache()
    {
        using DetachedNode node = Open();
        Entry[] snapshot =
        [
            new(EntryType.Snapshot, default),
            new(EntryType.PeerState, node.Raft.CurrentPeerState().Encode()),
        ];
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.State.Pindex.ShouldBe(2UL);
        node.State.Pae.ShouldBe([1UL, 2]);
        node.Live(Ae(N0, term: 1, commit: 100, pterm: 1, pindex: 100));
        ExpectCatchup(node, from: (1, 2), to: (1, 100));

        node.Cu(Ae(N0, term: 1, commit: 100, pterm: 1, pindex: 100, snapshot));

        (node.State.Pindex, node.State.Commit).ShouldBe((100UL, 100UL));
        node.State.Pae.ShouldBeEmpty();
    }

    private static void ExpectLog(DetachedNode node, ulong length, string leaderOfLast)
    {
        (node.State.Wal.Msgs, node.State.Pindex).ShouldBe((length, length));
        node.LeaderOfEntry(length).ShouldBe(leaderOfLast);
    }

    private static void ExpectCatchup(
        DetachedNode node, (ulong Term, ulong Index) from, (ulong Term, ulong Index)? to = null)
    {
        CatchupState catchup = node.State.Catchup.ShouldNotBeNull();
        (catchup.Pterm, catchup.Pindex).ShouldBe(from);
        if (to is { } target)
        {
            (catchup.Cterm, catchup.Cindex).ShouldBe(target);
        }
    }
}
