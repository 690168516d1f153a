using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Snapshots of a node driven by hand: made, installed, recovered from, reset.</summary>
public class RaftNodeTestsSnapshots
{
    [RaftFact]
    [Trait("ID", "2693")]
    [Trait("Kind", "white-box")]
    public void TestNRGSendSnapshotInstallsSnapshot()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        node.Raft.AddPeer(N1);
        (node.State.Pindex, node.State.Snapfile, node.State.Term).ShouldBe((0UL, "", 0UL));
        node.Raft.SwitchToCandidate();
        node.State.Term.ShouldBe(1UL);

        node.Raft.SwitchToLeader();
        (node.State.Pindex, node.State.Snapfile).ShouldBe((1UL, ""));
        node.Raft.ApplyCommit(1);
        node.State.Snapfile.ShouldBe("");

        node.TakeSent();
        node.Raft.SendSnapshot("snapshot_data"u8);
        (node.State.Pindex, node.State.Snapfile).ShouldBe((2UL, ""));
        AppendEntry sent = AppendEntry.Decode(
            node.TakeSentTo(node.State.Asubj).ShouldHaveSingleItem().Payload);
        (sent.Commit, sent.PTerm, sent.PIndex).ShouldBe((1UL, 1UL, 1UL));
        Entry entry = sent.Entries.ShouldHaveSingleItem();
        entry.Type.ShouldBe(EntryType.Snapshot);
        entry.Data.ToArray().ShouldBe("snapshot_data"u8.ToArray());

        node.Raft.ApplyCommit(2);
        node.State.Snapfile.ShouldBe("snap.1.1");
        RaftSnapshot last = node.Raft.LoadLastSnapshotCore();
        (last.LastTerm, last.LastIndex).ShouldBe((1UL, 1UL));
        last.Data.ShouldBe("snapshot_data"u8.ToArray());

        node.Raft.DrainAndReplaySnapshot().ShouldBeTrue();
    }

    [RaftFact]
    [Trait("ID", "2673")]
    [Trait("Kind", "white-box")]
    public void TestNRGSnapshotRecovery()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 0, pindex: 0, E));
        (node.State.Pindex, node.State.Commit, node.State.Applied).ShouldBe((1UL, 1UL, 0UL));
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);
        node.Raft.InstallSnapshot([], force: false);

        node.Set(new JsonObject
        {
            ["pindex"] = 0, ["commit"] = 0, ["processed"] = 0, ["applied"] = 0,
        });
        node.Raft.SetupLastSnapshot();

        // Loading a snapshot does not count as applying it.
        (node.State.Pindex, node.State.Commit).ShouldBe((1UL, 1UL));
        (node.State.Processed, node.State.Applied).ShouldBe((0UL, 0UL));
    }

    [RaftFact]
    [Trait("ID", "2678")]
    [Trait("Kind", "white-box")]
    public void TestNRGReplayOnSnapshotDifferentTerm()
    {
        using DetachedNode node = Open();
        AppendEntry first = Ae(N0, term: 1, commit: 1, pterm: 0, pindex: 0, E);
        AppendEntry second = Ae(N0, term: 2, commit: 1, pterm: 1, pindex: 1, E);
        AppendEntry third = Ae(N0, term: 2, commit: 1, pterm: 2, pindex: 2, E);
        (first.LTerm, second.LTerm, third.LTerm) = (2, 2, 2);

        // The entry brings its own commit, so it is committed when it is stored.
        node.Live(first);
        (node.State.Pindex, node.State.Commit).ShouldBe((1UL, 1UL));
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);
        node.Raft.InstallSnapshot([], force: false);
        node.Raft.LoadLastSnapshotCore().LastIndex.ShouldBe(1UL);
        node.Set("applied", 0);

        node.Live(second);
        node.State.Pindex.ShouldBe(2UL);
        node.Live(third);
        node.State.Pindex.ShouldBe(3UL);

        // The server cuts back to the snapshot here and stores the entry again, to 2. What is
        // already there is no conflict: nothing is cut, so nothing acknowledged is lost.
        node.Live(second);
        node.State.Pindex.ShouldBe(3UL);
        node.Live(third);
        (node.State.Pindex, node.State.Wal.First, node.State.Wal.Last).ShouldBe((3UL, 2UL, 3UL));
    }

    [RaftFact]
    [Trait("ID", "2688")]
    [Trait("Kind", "white-box")]
    public void TestNRGDrainAndReplaySnapshot()
    {
        using DetachedNode node = Open();
        node.State.Apply.ShouldBe(0);
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 2, E));
        node.Live(Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3));
        node.State.Pindex.ShouldBe(3UL);
        Expect(paused: false, queued: 3, commit: 3, held: 0);

        node.Raft.DrainAndReplaySnapshot().ShouldBeFalse("there is no snapshot");
        Expect(paused: false, queued: 3, commit: 3, held: 0);

        node.Raft.Applied(1);
        node.Raft.InstallSnapshot("snapshot"u8, force: false);
        node.Raft.DrainAndReplaySnapshot().ShouldBeTrue();
        Expect(paused: true, queued: 1, commit: 1, held: 3);

        node.Raft.ResumeApply();
        Expect(paused: false, queued: 3, commit: 3, held: 0);

        node.Raft.DrainAndReplaySnapshot().ShouldBeTrue();
        Expect(paused: true, queued: 1, commit: 1, held: 3);

        node.Live(Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3, E));
        node.Live(Ae(N0, term: 1, commit: 4, pterm: 1, pindex: 4));
        node.State.Pindex.ShouldBe(4UL);
        Expect(paused: true, queued: 1, commit: 1, held: 4);

        node.Raft.DrainAndReplaySnapshot().ShouldBeTrue();
        Expect(paused: true, queued: 1, commit: 1, held: 4);

        node.Raft.ResumeApply();
        Expect(paused: false, queued: 4, commit: 4, held: 0);

        void Expect(bool paused, int queued, ulong commit, ulong held)
        {
            NodeState now = node.State;
            (now.Paused, now.Apply, now.Commit, now.Hcommit)
                .ShouldBe((paused, queued, commit, held));
        }
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void TestNRGInstallSnapshotClearsPendingAppendEntryCache()
    {
        using DetachedNode node = Open();
        StoreThree(node);
        node.State.Pae.Count.ShouldBe(3);

        node.Raft.InstallSnapshotCore(new RaftSnapshot(1, 3, node.Raft.CurrentPeerState(), []));

        node.State.Wal.Msgs.ShouldBe(0UL);
        node.State.Pae.ShouldBeEmpty();
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void TestNRGApplyCommitDoesNotResetWALAtSnapshotBoundary()
    {
        using DetachedNode node = Open();
        StoreThree(node);

        node.Raft.InstallSnapshotCore(new RaftSnapshot(1, 2, node.Raft.CurrentPeerState(), []));
        (node.State.Papplied, node.State.Wal.First, node.State.Wal.Msgs).ShouldBe((2UL, 3UL, 1UL));

        node.Live(Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3));
        (node.State.Commit, node.State.Wal.First, node.State.Wal.Msgs).ShouldBe((3UL, 3UL, 1UL));
    }

    [RaftFact]
    [Trait("Kind", "file system")]
    public void TestNRGLoadLastSnapshotCleansLegacyZeroIndexSnapshot()
    {
        using DetachedNode node = Open();
        string file = Put(node, "snap.1.0", new(1, 0, node.Raft.CurrentPeerState(), [1]));
        node.Set("snapfile", "snap.1.0");

        Should.Throw<RaftException>(() => node.Raft.LoadLastSnapshotCore())
            .Message.ShouldContain("raft: no snapshot available");

        node.State.Snapfile.ShouldBe("");
        File.Exists(file).ShouldBeFalse();
    }

    [RaftFact]
    [Trait("Kind", "file system")]
    public void TestNRGSetupLastSnapshotIgnoresTmpFile()
    {
        using DetachedNode node = Open();
        Put(node, "snap.1.1", new(1, 1, node.Raft.CurrentPeerState(), "snapshot"u8.ToArray()));
        File.WriteAllBytes(Path.Combine(node.SnapshotFolder, "snap.1.2.tmp"), []);

        node.Raft.SetupLastSnapshot();

        node.State.Snapfile.ShouldBe("snap.1.1");
    }

    [RaftFact]
    [Trait("ID", "2658")]
    [Trait("Kind", "file system")]
    public void TestNRGMemoryWALEmptiesSnapshotsDir()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((1UL, 0UL));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        node.State.Commit.ShouldBe(1UL);
        node.Raft.Applied(1);
        node.Raft.InstallSnapshot([], force: false);
        node.SnapshotFiles().ShouldBe(["snap.1.1"]);

        node.Restart();

        node.SnapshotFiles().ShouldBeEmpty();
    }

    [RaftTheory]
    [InlineData(EntryType.AddPeer)]
    [InlineData(EntryType.RemovePeer)]
    [Trait("Kind", "white-box")]
    public void TestNRGSnapshotExcludesUncommittedMembershipChange(EntryType change)
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        bool adds = change == EntryType.AddPeer;
        if (!adds)
        {
            node.Raft.AddPeer(N1);
        }

        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, adds ? Add(N1) : Remove(N1)));
        node.State.Commit.ShouldBe(1UL);
        node.State.Peers.ContainsKey(N1).ShouldBe(adds);
        node.State.Csz.ShouldBe(adds ? 3 : 2);
        node.State.MembChange.ShouldNotBeNull().Index.ShouldBe(2UL);

        node.Raft.Applied(1);
        node.Raft.InstallSnapshot([], force: false);

        RaftSnapshot last = node.Raft.LoadLastSnapshotCore();
        last.LastIndex.ShouldBe(1UL);
        string[] members = adds ? [Self, N0] : [Self, N0, N1];
        last.PeerState.ClusterSize.ShouldBe((uint)members.Length);
        last.PeerState.KnownPeers.ShouldBe(members, ignoreOrder: true);
    }

    [RaftFact]
    [Trait("ID", "2647")]
    [Trait("Kind", "white-box")]
    public void TestNRGDontRemoveSnapshotIfTruncateToApplied()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.State.Wal.Msgs.ShouldBe(1UL);
        node.LeaderOfEntry(1).ShouldBe(N0);
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        (node.State.Commit, node.State.Pterm).ShouldBe((1UL, 1UL));
        node.Raft.Applied(1);
        node.Raft.InstallSnapshot([], force: false);
        node.SnapshotFiles().Count.ShouldBe(1);

        node.Raft.TruncateWAL(term: 1, index: 1);

        node.SnapshotFiles().Count.ShouldBe(1);
    }

    [RaftFact]
    [Trait("ID", "2648")]
    [Trait("Kind", "white-box")]
    public void TestNRGSnapshotAndTruncateToApplied()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N1);
        node.Live(Ae(N1, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Commit, node.State.Wal.Msgs).ShouldBe((0UL, 1UL));
        node.LeaderOfEntry(1).ShouldBe(N1);
        node.Live(Ae(N1, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        (node.State.Commit, node.State.Wal.Msgs).ShouldBe((1UL, 2UL));
        node.LeaderOfEntry(2).ShouldBe(N1);
        node.Raft.Applied(1);

        // The server raises the term after the node leads, and counts an answer of that term for
        // an entry of the one before. Here the term is raised first: only entries of the leader's
        // own term are counted.
        node.Raft.SwitchToCandidate();
        node.State.Term.ShouldBe(2UL);
        node.Raft.SwitchToLeader();
        node.State.Pindex.ShouldBe(3UL);
        node.Ar(term: 2, index: 3, N1, success: true);
        node.State.Commit.ShouldBe(3UL);

        node.Raft.Applied(3);
        node.Raft.InstallSnapshot([], force: false);
        node.SnapshotFiles().Count.ShouldBe(1);
        node.State.Wal.Msgs.ShouldBe(0UL);

        node.Raft.StoreToWAL(Ae(N0, term: 2, commit: 3, pterm: 2, pindex: 3, E));
        (node.State.Commit, node.State.Wal.Msgs).ShouldBe((3UL, 1UL));
        node.LeaderOfEntry(4).ShouldBe(N0);

        // Nothing of the new leader's is at that place, and what is there is not committed.
        node.Raft.StepDownCore("");
        node.Live(Ae(N1, term: 3, commit: 3, pterm: 2, pindex: 3));
        NodeState last = node.State;
        (last.Wal.Msgs, last.Commit, last.Applied).ShouldBe((0UL, 3UL, 3UL));
    }

    [RaftFact]
    [Trait("ID", "2679")]
    [Trait("Kind", "white-box")]
    public void TestNRGSizeAndApplied()
    {
        using DetachedNode node = Open();
        node.Raft.Size().ShouldBe((0UL, 0UL));
        node.Raft.StoreToWAL(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Raft.Size().ShouldBe((1UL, 105UL));
        node.Raft.StoreToWAL(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.Raft.Size().ShouldBe((2UL, 210UL));

        node.Set("commit", 1);
        node.Raft.Applied(1).ShouldBe((1UL, 105UL));
        node.Set("commit", 2);
        node.Raft.Applied(2).ShouldBe((2UL, 210UL));

        node.Set("applied", 1);
        node.Raft.InstallSnapshot([], force: false);
        (node.State.Papplied, node.State.Bytes).ShouldBe((1UL, 105UL));
        node.Raft.Size().ShouldBe((1UL, 105UL));

        node.Raft.Applied(2).ShouldBe((1UL, 105UL));
        node.Raft.InstallSnapshot([], force: false);
        (node.State.Papplied, node.State.Bytes).ShouldBe((2UL, 0UL));
        node.Raft.Size().ShouldBe((0UL, 0UL));
    }

    [RaftFact]
    [Trait("ID", "2696")]
    [Trait("Kind", "file system")]
    public void TestNRGTruncateLogWithMisalignedSnapshotGap()
    {
        using DetachedNode node = Open(RaftLogKind.File);
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.Live(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2, E));
        node.State.Pindex.ShouldBe(3UL);
        node.Raft.Applied(1);
        node.Raft.InstallSnapshot([], force: false);
        (node.State.Wal.First, node.State.Wal.Last).ShouldBe((2UL, 3UL));

        node.Raft.WalCompact(3);
        (node.State.Wal.First, node.State.Wal.Last).ShouldBe((3UL, 3UL));
        node.Raft.Stop();
        node.Raft.WaitForStop();
        node.Raft.Dispose();

        // The server drops what is behind the gap and starts from the snapshot. Entry 2 was
        // committed and is lost, so this node must not go on as if it had never held it: its start
        // is refused, and nothing is changed.
        Refusal(node.Reopen).ShouldBe(RaftStatus.Corrupt);
        Refusal(node.Reopen).ShouldBe(RaftStatus.Corrupt, "the refused start changed something");
    }

    [RaftFact]
    [Trait("Kind", "file system")]
    public void TestNRGReset()
    {
        using DetachedNode node = Open();
        node.Raft.StoreToWAL(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Raft.StoreToWAL(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        node.State.Pindex.ShouldBe(2UL);

        node.Raft.CachePendingEntry(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Raft.CachePendingEntry(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        node.Raft.AddPeer(N1);
        node.Raft.UpdateLeader(N1);
        node.Set(new JsonObject
        {
            ["commit"] = 2, ["applied"] = 2, ["processed"] = 2, ["hcommit"] = 2, ["papplied"] = 1,
            ["term"] = 7, ["vote"] = N1,
        });
        node.Raft.WriteTermVote();
        node.Raft.ReadTermVote().ShouldBe((7UL, N1));
        foreach (string name in new[] { "snap.7.2", "snap.orphan" })
        {
            File.WriteAllText(Path.Combine(node.SnapshotFolder, name), name);
        }

        node.Set("snapfile", "snap.7.2");
        node.Raft.HandleAppendEntry(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        node.Raft.HandleAppendEntryResponse(new AppendEntryResponse(1, 1, N1, true).Encode());
        node.Raft.HandleVoteRequest(new VoteRequest(1, 1, 1, N1));
        node.Set("state", (int)RaftState.Candidate);
        node.Raft.HandleVoteResponse(new VoteResponse(1, N1, Granted: true, Empty: false));
        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);
        NodeState dirty = node.State;
        dirty.Snapshotting.ShouldBeTrue();
        (dirty.Entry, dirty.Resp, dirty.Reqs, dirty.Votes).ShouldBe((1, 1, 1, 1));

        const ushort extended = 1;
        node.Raft.SetObserverCore(true, extended);
        node.Raft.Reset();

        NodeState clean = node.State;
        (clean.Pterm, clean.Pindex, clean.Commit).ShouldBe((0UL, 0UL, 0UL));
        (clean.Applied, clean.Processed, clean.Papplied, clean.Hcommit)
            .ShouldBe((0UL, 0UL, 0UL, 0UL));
        clean.Peers.Keys.ShouldBe([Self]);
        (clean.Csz, clean.Qn, clean.Leader, clean.Role)
            .ShouldBe((1, 1, "", RaftState.Follower));
        clean.Observer.ShouldBeTrue();
        node.Raft.CurrentPeerState().DomainExt.ShouldBe(extended);
        (clean.Term, clean.Vote).ShouldBe((0UL, ""));
        (clean.Snapfile, clean.Snapshotting).ShouldBe(("", false));
        node.SnapshotFiles().ShouldBeEmpty();
        (clean.Prop, clean.Entry, clean.Resp, clean.Apply, clean.Reqs, clean.Votes)
            .ShouldBe((0, 0, 0, 0, 0, 0));
        node.Raft.Size().Entries.ShouldBe(0UL);
        clean.Pae.ShouldBeEmpty();
    }

    private static void StoreThree(DetachedNode node)
    {
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 2, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((3UL, 0UL));
    }

    /// <summary>Puts a snapshot beside the node's own, as a file that is right in itself.</summary>
    private static string Put(DetachedNode node, string name, RaftSnapshot snapshot)
    {
        string file = Path.Combine(node.SnapshotFolder, name);
        File.WriteAllBytes(file, node.Raft.EncodeSnapshot(snapshot));
        return file;
    }
}
