using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Checkpoints of a node driven by hand, and what may come between.</summary>
public class RaftNodeTestsCheckpoints
{
    /// <summary>Long enough for a call that does not wait to have returned.</summary>
    private static readonly TimeSpan AWhile = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void TestNRGAppendEntriesSeqStopsOnRangeBreak()
    {
        using DetachedNode node = Open();
        ApplyTwo(node);
        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);

        int runs = 0;
        foreach (LogEntry entry in checkpoint.AppendEntriesSeq())
        {
            entry.Index.ShouldBe(1UL);
            entry.Entries.ShouldHaveSingleItem();
            runs++;
            break;
        }

        runs.ShouldBe(1);
        checkpoint.Abort();
    }

    [RaftFact]
    [Trait("ID", "2715")]
    [Trait("Kind", "white-box")]
    public void TestNRGInstallSnapshotFromCheckpoint()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((1UL, 0UL));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((2UL, 1UL));
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);

        using (IRaftNodeCheckpoint first = node.Raft.CreateSnapshotCheckpoint(force: false))
        {
            Refusal(() => first.LoadLastSnapshot()).ShouldBe(RaftStatus.NoSnapshot);
            first.AppendEntriesSeq().Select(entry => entry.Index).ShouldBe([1UL]);
            first.InstallSnapshot("old"u8.ToArray());
            LastData(node).ShouldBe("old"u8.ToArray());
            ShouldBeOver(first, RaftStatus.SnapshotAborted);
        }

        node.Live(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((3UL, 2UL));
        node.Live(Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((4UL, 3UL));
        node.Raft.Applied(3);
        node.State.Applied.ShouldBe(3UL);

        using (IRaftNodeCheckpoint second = node.Raft.CreateSnapshotCheckpoint(force: false))
        {
            Refusal(() => node.Raft.CreateSnapshotCheckpoint(force: false))
                .ShouldBe(RaftStatus.SnapshotInProgress);
            second.Abort();
            ShouldBeOver(second, RaftStatus.SnapshotAborted);
        }

        using (IRaftNodeCheckpoint third = node.Raft.CreateSnapshotCheckpoint(force: false))
        {
            third.LoadLastSnapshot().ShouldBe("old"u8.ToArray());
            third.AppendEntriesSeq().Select(entry => entry.Index).ShouldBe([2UL, 3UL]);
            third.InstallSnapshot("new"u8.ToArray());
            LastData(node).ShouldBe("new"u8.ToArray());
        }

        node.Live(Ae(N0, term: 1, commit: 4, pterm: 1, pindex: 4));
        (node.State.Pindex, node.State.Commit).ShouldBe((4UL, 4UL));
        node.Raft.Applied(4);
        node.State.Applied.ShouldBe(4UL);

        using IRaftNodeCheckpoint last = node.Raft.CreateSnapshotCheckpoint(force: false);
        Refusal(() => node.Raft.InstallSnapshot([], force: false))
            .ShouldBe(RaftStatus.SnapshotInProgress);
        last.LoadLastSnapshot().ShouldBe("new"u8.ToArray());

        RaftSnapshot snapshot = node.Raft.LoadLastSnapshotCore();
        node.Raft.InstallSnapshotCore(snapshot with { LastIndex = snapshot.LastIndex + 1 });
        Refusal(() => last.LoadLastSnapshot()).ShouldBe(RaftStatus.SnapshotAborted);

        // The server's checkpoint comes to life again with the flag and only then notices that
        // the snapshot is another. Here one that is over stays over; the mismatch is noticed too.
        node.Set("snapshotting", true);
        Refusal(() => last.LoadLastSnapshot()).ShouldBe(RaftStatus.SnapshotAborted);
        node.Set("papplied", 3);
        Refusal(() => node.Raft.LoadLastSnapshot()).ShouldBe(RaftStatus.SnapshotMismatch);
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void TestNRGForcedInstallSnapshotAbortsInProgressCheckpoint()
    {
        using DetachedNode node = Open();
        ApplyTwo(node);
        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);

        Refusal(() => node.Raft.InstallSnapshot("blocked"u8, force: false))
            .ShouldBe(RaftStatus.SnapshotInProgress);
        node.Raft.InstallSnapshot("fresh"u8, force: true);

        Refusal(() => checkpoint.LoadLastSnapshot()).ShouldBe(RaftStatus.SnapshotAborted);
        Refusal(() => checkpoint.InstallSnapshot("stale"u8.ToArray()))
            .ShouldBe(RaftStatus.SnapshotAborted);
        checkpoint.Abort();
        LastData(node).ShouldBe("fresh"u8.ToArray());
        node.SnapshotFiles().ShouldBe(["snap.1.2"]);
    }

    [RaftFact]
    [Trait("Kind", "threads")]
    public async Task TestNRGDirectInstallSnapshotWaitsForInFlightWrite()
    {
        using DetachedNode node = Open();
        ApplyTwo(node);
        node.Raft.TakePermits(true);

        Task install = OnAThread(() => node.Raft.InstallSnapshot("fresh"u8, force: true));
        install.Wait(AWhile, TestContext.Current.CancellationToken).ShouldBeFalse();
        node.Raft.TakePermits(false);

        await install.WaitAsync(Limit, TestContext.Current.CancellationToken);
        LastData(node).ShouldBe("fresh"u8.ToArray());
    }

    [RaftFact]
    [Trait("Kind", "threads")]
    public async Task TestNRGCheckpointInstallSnapshotWaitsForInFlightWrite()
    {
        using DetachedNode node = Open();
        ApplyTwo(node);
        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);
        node.Raft.TakePermits(true);

        Task install = OnAThread(() => checkpoint.InstallSnapshot("async"u8.ToArray()));
        install.Wait(AWhile, TestContext.Current.CancellationToken).ShouldBeFalse();
        node.SnapshotFiles().ShouldBeEmpty();
        node.Raft.TakePermits(false);

        await install.WaitAsync(Limit, TestContext.Current.CancellationToken);
        LastData(node).ShouldBe("async"u8.ToArray());
    }

    [RaftTheory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Kind", "white-box")]
    public void TestNRGSnapshotCheckpointNodeClosed(bool delete)
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        node.State.Commit.ShouldBe(1UL);
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);
        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);

        if (delete)
        {
            node.Raft.Delete();
        }
        else
        {
            node.Raft.Stop();
        }

        ShouldBeOver(checkpoint, RaftStatus.Closed);
    }

    [RaftFact]
    [Trait("ID", "2717")]
    [Trait("Kind", "white-box")]
    public void TestNRGInstallSnapshotFromCheckpointAfterTruncateToSnapshot()
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((1UL, 0UL));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        (node.State.Pindex, node.State.Commit).ShouldBe((1UL, 1UL));
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);
        node.Raft.InstallSnapshot([], force: false);
        node.State.Papplied.ShouldBe(1UL);

        node.Set(new() { ["pterm"] = 1, ["pindex"] = 100, ["commit"] = 100 });
        node.Raft.InstallSnapshotCore(
            new RaftSnapshot(1, 100, node.Raft.CurrentPeerState(), "catchup"u8.ToArray()));
        (node.State.Papplied, node.State.Applied).ShouldBe((100UL, 1UL));

        node.Raft.TruncateWAL(term: 1, index: 100);
        node.State.Papplied.ShouldBe(100UL);
        NothingNew();
        node.Raft.Applied(100);
        node.State.Applied.ShouldBe(100UL);
        NothingNew();

        node.Live(Ae(N0, term: 1, commit: 100, pterm: 1, pindex: 100, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((101UL, 100UL));
        node.Live(Ae(N0, term: 1, commit: 101, pterm: 1, pindex: 101));
        (node.State.Pindex, node.State.Commit).ShouldBe((101UL, 101UL));
        node.Raft.Applied(101);
        node.State.Applied.ShouldBe(101UL);

        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);
        checkpoint.LoadLastSnapshot().ShouldBe("catchup"u8.ToArray());
        checkpoint.AppendEntriesSeq().Select(entry => entry.Index).ShouldBe([101UL]);

        void NothingNew()
            => Refusal(() => node.Raft.CreateSnapshotCheckpoint(force: false))
                .ShouldBe(RaftStatus.NoSnapshot);
    }

    [RaftTheory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Kind", "threads")]
    public async Task TestNRGCheckpointInstallSnapshotAbortDuringWrite(bool isAdopted)
    {
        using DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1));
        node.Raft.Applied(1);
        node.State.Applied.ShouldBe(1UL);
        using IRaftNodeCheckpoint checkpoint = node.Raft.CreateSnapshotCheckpoint(force: false);
        if (isAdopted)
        {
            node.Set("snapfile", "snap.1.1");
        }

        node.Raft.TakePermits(true);
        Task install = OnAThread(() => checkpoint.InstallSnapshot("data"u8.ToArray()));
        install.Wait(AWhile, TestContext.Current.CancellationToken).ShouldBeFalse();
        node.State.Snapshotting.ShouldBeTrue();
        node.Set("snapshotting", false);
        node.Raft.TakePermits(false);

        RaftException refused = await Should.ThrowAsync<RaftException>(
            install.WaitAsync(Limit, TestContext.Current.CancellationToken));
        refused.Status.ShouldBe(RaftStatus.SnapshotAborted);
        node.State.Snapfile.ShouldBe(isAdopted ? "snap.1.1" : "");
        node.SnapshotFiles().ShouldBe(isAdopted ? ["snap.1.1"] : []);
    }

    /// <summary>Two entries, both committed and applied.</summary>
    private static void ApplyTwo(DetachedNode node)
    {
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        node.Live(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2));
        node.Raft.Applied(2);
    }

    private static byte[] LastData(DetachedNode node) => node.Raft.LoadLastSnapshotCore().Data;

    /// <summary>A thread of its own: what waits must not keep one of the pool.</summary>
    private static Task OnAThread(Action run)
        => Task.Factory.StartNew(
            run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Every use fails with the status; an enumeration does so once.</summary>
    private static void ShouldBeOver(IRaftNodeCheckpoint checkpoint, RaftStatus status)
    {
        Refusal(() => checkpoint.LoadLastSnapshot()).ShouldBe(status);
        using (IEnumerator<LogEntry> entries = checkpoint.AppendEntriesSeq().GetEnumerator())
        {
            Refusal(() => entries.MoveNext()).ShouldBe(status);
            entries.MoveNext().ShouldBeFalse();
        }

        Refusal(() => checkpoint.InstallSnapshot(ReadOnlyMemory<byte>.Empty)).ShouldBe(status);
    }
}
