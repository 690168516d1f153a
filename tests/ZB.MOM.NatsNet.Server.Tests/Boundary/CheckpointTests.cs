using System.Collections.Concurrent;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>A checkpoint ends once, whoever uses it and whatever became of its node.</summary>
public class CheckpointTests : BoundaryTest
{
    private static readonly byte[] Snapshot = [1, 2, 3];

    [RaftFact]
    public void Dispose_Twice_EndsItOnceAndItsCallsThrow()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        Raft node = Applied(group, 5);
        IRaftNodeCheckpoint checkpoint = node.CreateSnapshotCheckpoint(force: false);

        checkpoint.Dispose();
        checkpoint.Dispose();

        Should.Throw<ObjectDisposedException>(() => checkpoint.LoadLastSnapshot());
        Should.Throw<ObjectDisposedException>(() => checkpoint.InstallSnapshot(Snapshot));
        Should.Throw<ObjectDisposedException>(() => Read(checkpoint));
        Should.Throw<ObjectDisposedException>(checkpoint.Abort);
        // Its place is free.
        node.CreateSnapshotCheckpoint(force: false).Dispose();
    }

    [RaftFact]
    public void Use_AfterTheNodeIsStoppedAndDisposed_SaysClosed()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        Raft node = Applied(group, 5);
        using IRaftNodeCheckpoint checkpoint = node.CreateSnapshotCheckpoint(force: false);

        node.Stop();
        node.WaitForStop();
        Refused(() => checkpoint.InstallSnapshot(Snapshot)).ShouldBe(RaftStatus.Closed);
        node.Dispose();
        group.Members[0].Stopped = true;

        Refused(() => checkpoint.LoadLastSnapshot()).ShouldBe(RaftStatus.Closed);
        Refused(() => Read(checkpoint)).ShouldBe(RaftStatus.Closed);
        checkpoint.Abort();
    }

    [RaftFact]
    public void Use_AfterTheRuntimeIsDisposed_SaysClosed()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        Raft node = Applied(group, 5);
        using IRaftNodeCheckpoint checkpoint = node.CreateSnapshotCheckpoint(force: false);

        group.Runtime.Dispose();
        group.Members[0].Stopped = true;

        Refused(() => checkpoint.InstallSnapshot(Snapshot)).ShouldBe(RaftStatus.Closed);
    }

    [RaftFact]
    public void AbortAndInstall_AtOnce_EndInOneOfTheTwoAndTheNodeGoesOn()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        byte[]? installed = null;
        for (long round = 1; round <= 40; round++)
        {
            Raft node = Applied(group, round);
            using IRaftNodeCheckpoint checkpoint = node.CreateSnapshotCheckpoint(force: false);
            byte[] state = Adder.Encode(round);
            RaftStatus outcome = RaftStatus.Internal;

            Parallel.Invoke(
                () => outcome = Outcome(() => checkpoint.InstallSnapshot(state)),
                checkpoint.Abort,
                checkpoint.Abort);

            // Installed and the last one now, or nothing of it.
            installed = outcome == RaftStatus.Ok ? state : installed;
            outcome.ShouldBeOneOf(RaftStatus.Ok, RaftStatus.SnapshotAborted);
            Outcome(() => node.LoadLastSnapshot().Data.ShouldBe(installed))
                .ShouldBe(installed is null ? RaftStatus.NoSnapshot : RaftStatus.Ok);
        }
    }

    [RaftFact]
    public void DisposeWhileOthersReadAndInstall_WhileMemoryMoves_EndsTheirCalls()
    {
        using var storm = new GarbageStorm();
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        var surprises = new ConcurrentQueue<RaftStatus>();
        for (long round = 1; round <= 20; round++)
        {
            Raft node = Applied(group, round);
            IRaftNodeCheckpoint checkpoint = node.CreateSnapshotCheckpoint(force: false);
            void Race(Action use)
            {
                RaftStatus outcome = Outcome(use);
                if (outcome is not (RaftStatus.Ok or RaftStatus.SnapshotAborted
                    or RaftStatus.NoSnapshot))
                {
                    surprises.Enqueue(outcome);
                }
            }

            Parallel.Invoke(
                () => Race(() => Read(checkpoint)),
                () => Race(() => checkpoint.LoadLastSnapshot()),
                () => Race(() => checkpoint.InstallSnapshot(Snapshot)),
                checkpoint.Dispose);
        }

        surprises.ShouldBeEmpty();
        storm.Collections.ShouldBeGreaterThan(0);
    }

    [RaftFact]
    public void AnAbandonedCheckpoint_IsReleasedByTheCollector()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        Raft node = Applied(group, 5);

        Abandon(node);
        GC.Collect();
        GC.WaitForPendingFinalizers();

        NativeMethods.TestLiveObjects(
            NrgConstants.NRG_TEST_OBJECT_CHECKPOINT, group.Runtime.Handle).ShouldBe(0UL);
        node.CreateSnapshotCheckpoint(force: false).Dispose();

        // In a frame of its own: nothing of it is left on the stack that the collector sees.
        [System.Runtime.CompilerServices.MethodImpl(
            System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Abandon(Raft node) => _ = node.CreateSnapshotCheckpoint(force: false);
    }

    /// <summary>The only member, after it has proposed and applied one more number.</summary>
    private static Raft Applied(TestGroup<Adder> group, long number)
    {
        Member<Adder> member = group.WaitOnLeader();
        long before = member.State.Sum;
        member.Propose(number);
        group.WaitOnTotal(before + number);
        return member.Node;
    }

    private static void Read(IRaftNodeCheckpoint checkpoint)
    {
        ulong last = 0;
        foreach (LogEntry entry in checkpoint.AppendEntriesSeq())
        {
            entry.Index.ShouldBeGreaterThan(last);
            last = entry.Index;
        }
    }

    private static RaftStatus Refused(Action use) => Should.Throw<RaftException>(use).Status;

    private static RaftStatus Outcome(Action use)
    {
        try
        {
            use();
            return RaftStatus.Ok;
        }
        catch (RaftException refused)
        {
            return refused.Status;
        }
        catch (ObjectDisposedException)
        {
            return RaftStatus.SnapshotAborted;
        }
    }
}
