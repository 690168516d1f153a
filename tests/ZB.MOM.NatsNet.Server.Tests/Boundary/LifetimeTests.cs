using System.Collections.Concurrent;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>Native objects end once, whoever still calls: never a crash, never a leak.</summary>
public class LifetimeTests : BoundaryTest
{
    private const int Threads = 8;

    [RaftFact]
    public void Dispose_WhileManyThreadsCall_EndsTheirCallsWithAnException()
    {
        for (int round = 0; round < 10; round++)
        {
            using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
            Raft node = group.WaitOnLeader().Node;
            RaceAgainst(node, () => node.Dispose());
        }
    }

    [RaftFact]
    public void DisposeOfTheRuntime_WhileManyThreadsCall_EndsTheirCallsWithAnException()
    {
        for (int round = 0; round < 10; round++)
        {
            using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
            Raft node = group.WaitOnLeader().Node;
            RaceAgainst(node, group.Runtime.Dispose);
            group.Members[0].Stopped = true;
        }
    }

    [RaftFact]
    public void Dispose_FromManyThreadsAtOnce_HappensOnce()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        group.WaitOnLeader();

        Parallel.For(0, 64, at => group.Members[at % 3].Node.Dispose());

        LiveObjects.OfRuntimeShouldBeNone(group.Runtime.Handle);
        Parallel.For(0, 8, _ => group.Runtime.Dispose());
        foreach (Member<Adder> member in group.Members)
        {
            member.Stopped = true;
        }
    }

    [RaftFact]
    public void OpenAndDispose_AgainAndAgainWhileMemoryMoves_LeavesNothing()
    {
        using var storm = new GarbageStorm();
        using var folder = new TestFolder();
        using var network = new LoopbackNetwork();
        using var runtime = new RaftRuntime(new RaftRuntimeOptions { ManualClock = true });
        Parallel.For(0, 40, at =>
        {
            var config = new RaftConfig
            {
                PeerId = Ids.Self,
                Name = $"G{at}",
                StoreRoot = folder.Path,
                Log = at % 2 == 0 ? RaftLogKind.File : RaftLogKind.Memory,
            };
            RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
            using Raft node = runtime.Open(config, network);
            node.Group().ShouldBe(config.Name);
        });

        LiveObjects.OfRuntimeShouldBeNone(runtime.Handle);
    }

    [RaftFact]
    public void ABatch_OutlivesItsNodeAndItsRuntime()
    {
        ApplyBatch batch;
        using (TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory))
        {
            Member<Adder> member = group.WaitOnLeader();
            member.Propose(5);
            group.WaitOnTotal(5);
            member.Propose(7);
            batch = TakeUnapplied(group, member);
            member.Node.Dispose();
            group.Runtime.Dispose();
            member.Stopped = true;
        }

        using (batch)
        {
            byte[] data =
                [.. batch.SelectMany(committed => committed).SelectMany(entry => entry.ToArray())];
            data.ShouldBe(Adder.Encode(7));
        }
    }

    [RaftFact]
    public async Task EveryMember_AfterDispose_ThrowsObjectDisposed()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Member<Adder> member = group.WaitOnLeader();
        Raft node = member.Node;
        await node.DisposeAsync();
        await node.DisposeAsync();
        member.Stopped = true;
        LiveObjects.OfRuntimeShouldBeNone(group.Runtime.Handle);

        Action[] calls =
        [
            () => node.Propose(1, ReadOnlyMemory<byte>.Empty),
            () => node.TryPropose(1, ReadOnlyMemory<byte>.Empty),
            () => node.ProposeMulti(1, [new Entry(default)]),
            () => node.ForwardProposal(ReadOnlyMemory<byte>.Empty),
            () => node.State(),
            () => node.Leader(),
            () => node.Term(),
            () => node.GroupLeader(),
            () => node.Progress(),
            () => node.Size(),
            () => node.Peers(),
            () => node.PeerNames(),
            () => node.ClusterSize(),
            () => node.LastHeardFromPeer(Ids.S2),
            () => node.Applied(1),
            () => node.PauseApply(),
            () => node.ResumeApply(),
            () => node.StepDown(),
            () => node.Campaign(),
            () => node.CampaignImmediately(),
            () => node.SetObserver(true),
            () => node.AdjustClusterSize(3),
            () => node.GetWriteErr(),
            () => node.Stop(),
            () => node.Delete(),
        ];
        calls.ShouldAllBe(call => Throws<ObjectDisposedException>(call));

        // What needs no engine still answers.
        (node.ID(), node.Group()).ShouldBe((Ids.Self, "TEST"));
        node.QuitC().IsCancellationRequested.ShouldBeTrue();
        node.ApplyQ().Length.ShouldBe(0);
        node.ApplyQ().TryTake().ShouldBeNull();
        (await node.ApplyQ().WaitAsync(TestContext.Current.CancellationToken)).ShouldBeFalse();
        node.LeadChangeC().TryTake(out _).ShouldBeFalse();
        await node.WaitForStopAsync(TestContext.Current.CancellationToken);
    }

    [RaftFact]
    public void Queries_AfterStop_StillAnswer()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        (ulong index, ulong commit, ulong applied) = node.Progress();

        node.Stop();
        node.WaitForStop();
        node.Stop();

        node.State().ShouldBe(RaftState.Closed);
        node.Leader().ShouldBeFalse();
        node.Progress().ShouldBe((index, commit, applied));
        node.QuitC().IsCancellationRequested.ShouldBeTrue();
        node.TryPropose(1, ReadOnlyMemory<byte>.Empty).ShouldBe(RaftStatus.Closed);
    }

    /// <summary>
    /// Threads call until the object is gone. What a call may meet is an object that is disposed or
    /// a node that is closed; anything else, a crash included, fails the test.
    /// </summary>
    private static void RaceAgainst(Raft node, Action end)
    {
        var surprises = new ConcurrentQueue<Exception>();
        using var begun = new CountdownEvent(Threads);
        Thread[] callers =
        [
            .. Enumerable.Range(0, Threads)
                .Select(_ => new Thread(() => CallUntilGone(node, begun, surprises))),
        ];
        foreach (Thread caller in callers)
        {
            caller.Start();
        }

        begun.Wait();
        end();
        foreach (Thread caller in callers)
        {
            caller.Join();
        }

        surprises.ShouldBeEmpty();
    }

    private static void CallUntilGone(
        Raft node, CountdownEvent begun, ConcurrentQueue<Exception> surprises)
    {
        bool counted = false;
        try
        {
            while (true)
            {
                node.TryPropose(1, new byte[16]);
                node.Progress();
                node.Peers();
                node.TryProposeMulti(1, new byte[32], new uint[] { 16, 16 });
                using (ApplyBatch? batch = node.ApplyQ().TryTake())
                {
                    if (batch is { LastIndex: > 0 })
                    {
                        node.Applied(batch.LastIndex);
                    }
                }

                if (!counted)
                {
                    counted = true;
                    begun.Signal();
                }

                Thread.Sleep(1);
            }
        }
        catch (ObjectDisposedException)
        {
            // The end every caller has to meet.
        }
#pragma warning disable CA1031 // Whatever else comes is what the test is about.
        catch (Exception surprise)
#pragma warning restore CA1031
        {
            surprises.Enqueue(surprise);
        }
        finally
        {
            if (!counted)
            {
                begun.Signal();
            }
        }
    }

    /// <summary>The next entry, taken past the group's own application.</summary>
    private static ApplyBatch TakeUnapplied(TestGroup<Adder> group, Member<Adder> member)
    {
        ApplyBatch? batch = null;
        SpinWait.SpinUntil(
            () =>
            {
                NativeMethods.TestClockAdvance(group.Runtime.Handle, TimeSpan.FromMilliseconds(1))
                    .ShouldBe(RaftStatus.Ok);
                batch = member.Node.ApplyQ().TryTake();
                return batch is not null;
            },
            TimeSpan.FromSeconds(10)).ShouldBeTrue();
        return batch!;
    }

    private static bool Throws<TException>(Action call)
        where TException : Exception
    {
        try
        {
            call();
            return false;
        }
        catch (TException)
        {
            return true;
        }
    }
}
