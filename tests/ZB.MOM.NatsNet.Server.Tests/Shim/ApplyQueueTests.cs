using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>Waiting for committed entries and taking them.</summary>
public class ApplyQueueTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [RaftFact]
    public async Task WaitAsync_EndsWhenSomethingIsCommitted_AndTryTakeYieldsIt()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        await DrainSignalAsync(node);
        Task<bool> wait = node.ApplyQ().WaitAsync(TestContext.Current.CancellationToken).AsTask();
        wait.IsCompleted.ShouldBeFalse();

        node.ProposeMulti(
            node.Term(), [new Entry(new byte[] { 1, 2 }), new Entry(new byte[] { 3 })]);

        (await wait.WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBeTrue();
        using ApplyBatch batch = Taken(node);
        CommittedEntry committed = batch.ShouldHaveSingleItem();
        (committed.Index, committed.IsNilGuard, committed.Count).ShouldBe((2UL, false, 2));
        committed.Select(entry => (entry.Type, Data: string.Join(' ', entry.ToArray())))
            .ShouldBe([(EntryType.Normal, "1 2"), (EntryType.Normal, "3")]);
        batch.LastIndex.ShouldBe(2UL);
        node.ApplyQ().TryTake().ShouldBeNull();
        node.Processed(batch.LastIndex, batch.LastIndex).Entries.ShouldBe(2UL);
    }

    [RaftFact]
    public void TryTake_StaysWithinItsBounds()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        for (ulong last = 2; last <= 4; last++)
        {
            node.Propose(node.Term(), new byte[100]);
            SpinWait.SpinUntil(() => node.Progress().Commit == last, Patience).ShouldBeTrue();
        }

        node.ApplyQ().Length.ShouldBe(3);
        using (ApplyBatch one = node.ApplyQ().TryTake(maxEntries: 1).ShouldNotBeNull())
        {
            one.Select(committed => committed.Index).ShouldBe([2UL]);
        }

        // At least one item, however small the bound.
        using (ApplyBatch small = node.ApplyQ().TryTake(maxBytes: 1).ShouldNotBeNull())
        {
            small.Select(committed => committed.Index).ShouldBe([3UL]);
        }

        using (ApplyBatch rest = node.ApplyQ().TryTake().ShouldNotBeNull())
        {
            rest.Select(committed => committed.Index).ShouldBe([4UL]);
        }

        Should.Throw<ArgumentOutOfRangeException>(() => node.ApplyQ().TryTake(maxEntries: 0));
        Should.Throw<ArgumentOutOfRangeException>(() => node.ApplyQ().TryTake(maxBytes: 0));
    }

    [RaftFact]
    public async Task WaitAsync_Cancelled_EndsTheWaitAndNothingElse()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        await DrainSignalAsync(node);
        using var cancel = new CancellationTokenSource();
        Task<bool> wait = node.ApplyQ().WaitAsync(cancel.Token).AsTask();

        await cancel.CancelAsync();

        OperationCanceledException ended =
            await Should.ThrowAsync<OperationCanceledException>(wait);
        ended.CancellationToken.ShouldBe(cancel.Token);
        node.Propose(node.Term(), new byte[1]);
        (await node.ApplyQ().WaitAsync(TestContext.Current.CancellationToken).AsTask()
            .WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBeTrue();
        using ApplyBatch batch = Taken(node);
        batch.LastIndex.ShouldBe(2UL);
        await Should.ThrowAsync<OperationCanceledException>(
            node.ApplyQ().WaitAsync(cancel.Token).AsTask());
    }

    [RaftFact]
    public async Task WaitAsync_TwiceAtOnce_IsABugOfTheCaller()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        await DrainSignalAsync(node);
        Task<bool> first = node.ApplyQ().WaitAsync(TestContext.Current.CancellationToken).AsTask();

        Should.Throw<InvalidOperationException>(() => node.ApplyQ().WaitAsync().AsTask());

        node.Dispose();
        (await first.WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBeFalse();
    }

    [RaftTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TheEndOfTheNode_EndsTheEnumeration(bool dispose)
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        var indexes = new List<ulong>();
        var some = new TaskCompletionSource();
        Task reading = Task.Run(async () =>
        {
            await foreach (ApplyBatch batch in node.ApplyQ().ReadAllAsync())
            {
                indexes.AddRange(batch.Select(committed => committed.Index));
                node.Applied(batch.LastIndex);
                some.TrySetResult();
            }
        });
        node.Propose(node.Term(), new byte[1]);
        await some.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);

        if (dispose)
        {
            node.Dispose();
        }
        else
        {
            node.Stop();
        }

        await reading.WaitAsync(Patience, TestContext.Current.CancellationToken);
        indexes.ShouldBe([2UL]);
    }

    [RaftFact]
    public void TheFirstThingTaken_IsTheEndOfTheReplay()
    {
        using var folder = new TestFolder();
        using var network = new LoopbackNetwork();
        using var runtime = new RaftRuntime(new RaftRuntimeOptions { ManualClock = true });
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };
        RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
        using Raft node = runtime.Open(config, network);

        SpinWait.SpinUntil(() => node.ApplyQ().Length > 0, Patience).ShouldBeTrue();

        using ApplyBatch batch = Taken(node);
        CommittedEntry guard = batch.ShouldHaveSingleItem();
        (guard.IsNilGuard, guard.Index, guard.Count, batch.LastIndex).ShouldBe((true, 0UL, 0, 0UL));
    }

    /// <summary>Uses up the signal of what the group has taken itself.</summary>
    private static async Task DrainSignalAsync(Raft node)
    {
        while (true)
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
            try
            {
                await node.ApplyQ().WaitAsync(soon.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static ApplyBatch Taken(Raft node)
    {
        ApplyBatch? batch = null;
        SpinWait.SpinUntil(() => (batch = node.ApplyQ().TryTake()) is not null, Patience)
            .ShouldBeTrue();
        return batch!;
    }
}
