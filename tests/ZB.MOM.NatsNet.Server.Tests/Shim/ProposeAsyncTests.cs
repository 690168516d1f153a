using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>A proposal that is awaited ends once, and says what is known of its entry.</summary>
[SuppressMessage("Reliability", "CA2012", Justification = "waits are looked at before they end")]
public class ProposeAsyncTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [RaftFact]
    public async Task ProposeAsync_CompletesWithItsIndex_WhenTheEntryIsApplied()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Raft node = group.WaitOnLeader().Node;

        ulong index = node.Progress().Index + 1;
        Task<ulong> outcome = Propose(node, 5);
        group.Until(() => node.Progress().Commit >= index, "the commit");
        group.WaitOnTotal(5);

        (await outcome.WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBe(index);
    }

    [RaftFact]
    public async Task ProposeAsync_OfACommittedEntry_WaitsForItsApplication()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;

        Task<ulong> first = Propose(node, 1);
        ulong index = TakeUntil(node, 2);
        Task<ulong> second = Propose(node, 2);
        TakeUntil(node, 3).ShouldBe(index + 1);

        // The engine tells outcomes in order: the second could not end before the first.
        node.Processed(index, 0);
        (await first.WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBe(index);
        second.IsCompleted.ShouldBeFalse();
        node.Applied(index + 1);
        (await second.WaitAsync(Patience, TestContext.Current.CancellationToken))
            .ShouldBe(index + 1);
    }

    [RaftFact]
    public async Task ProposeAsync_InAnotherTerm_FailsAtOnce()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;

        ValueTask<ulong> refused = node.ProposeAsync(99, new byte[1]);

        refused.IsFaulted.ShouldBeTrue();
        RaftException failure = await Should.ThrowAsync<RaftException>(refused.AsTask());
        (failure.Status, failure.Group).ShouldBe((RaftStatus.NotLeader, "TEST"));
        failure.Message.ShouldContain("ProposeAsync");
    }

    [RaftFact]
    public async Task ProposeAsync_WhoseLeadershipEndsBeforeTheCommit_IsUndecided()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Member<Adder> leader = group.WaitOnLeader();
        group.Freeze(group.NonLeaders());
        ulong before = leader.Node.Progress().Index;
        Task<ulong> outcome = Propose(leader.Node, 7);
        group.Until(() => leader.Node.Progress().Index > before, "the append");
        group.Advance(TimeSpan.FromMilliseconds(20));
        outcome.IsCompleted.ShouldBeFalse();

        leader.Node.StepDown();

        RaftException failure = await Should.ThrowAsync<RaftException>(
            outcome.WaitAsync(Patience, TestContext.Current.CancellationToken));
        failure.Status.ShouldBe(RaftStatus.Undecided);

        // And it may well be committed: the leader that follows has it, or asks for it.
        group.Unfreeze(group.Members.Where(member => member.Frozen));
        group.WaitOnTotal(7);
    }

    [RaftTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ProposeAsync_WhoseNodeEnds_Fails(bool dispose)
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        Task<ulong> outcome = Propose(node, 1);

        if (dispose)
        {
            node.Dispose();
            await Should.ThrowAsync<ObjectDisposedException>(
                outcome.WaitAsync(Patience, TestContext.Current.CancellationToken));
            Should.Throw<ObjectDisposedException>(() => node.ProposeAsync(1, new byte[1]));
        }
        else
        {
            node.Stop();
            (await Should.ThrowAsync<RaftException>(
                    outcome.WaitAsync(Patience, TestContext.Current.CancellationToken)))
                .Status.ShouldBe(RaftStatus.Closed);
            (await Should.ThrowAsync<RaftException>(node.ProposeAsync(1, new byte[1]).AsTask()))
                .Status.ShouldBe(RaftStatus.Closed);
        }
    }

    [RaftFact]
    public async Task ProposeAsync_WhoseNodePanics_FailsWithThePanic()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Member<Adder> member = group.WaitOnLeader();
        Task<ulong> outcome = Propose(member.Node, 1);
        member.Stopped = true;

        member.Node.PanicInNode().ShouldBe(RaftStatus.Ok);

        (await Should.ThrowAsync<RaftFaultedException>(
                outcome.WaitAsync(Patience, TestContext.Current.CancellationToken)))
            .Message.ShouldContain("a test asked for this panic");
    }

    [RaftFact]
    public async Task ProposeAsync_Cancelled_EndsTheWaitAndNotTheProposal()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        using var cancel = new CancellationTokenSource();
        Task<ulong> cancelled =
            node.ProposeAsync(node.Term(), Adder.Encode(3), cancel.Token).AsTask();

        await cancel.CancelAsync();

        (await Should.ThrowAsync<OperationCanceledException>(cancelled))
            .CancellationToken.ShouldBe(cancel.Token);
        group.WaitOnTotal(3);

        // Its wait, used again, does not hear of the first one's outcome or token.
        using var other = new CancellationTokenSource();
        Task<ulong> next = node.ProposeAsync(node.Term(), Adder.Encode(4), other.Token).AsTask();
        group.WaitOnTotal(7);
        (await next.WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBe(3UL);
        node.ProposeAsync(node.Term(), new byte[1], cancel.Token).IsCanceled.ShouldBeTrue();
        node.Progress().Index.ShouldBe(3UL);
    }

    [RaftFact]
    public void AResult_ReadTwice_IsRefused()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        ValueTask<ulong> outcome = node.ProposeAsync(node.Term(), Adder.Encode(1));
        Should.Throw<InvalidOperationException>(() => outcome.GetAwaiter().GetResult());
        group.WaitOnTotal(1);
        SpinWait.SpinUntil(() => outcome.IsCompleted, Patience).ShouldBeTrue();

        outcome.GetAwaiter().GetResult().ShouldBe(2UL);

        Should.Throw<InvalidOperationException>(() => outcome.GetAwaiter().GetResult());
    }

    [RaftFact]
    public void ProposeAsync_AgainAndAgain_UsesTheSameWaits()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        ulong term = node.Term();
        byte[] data = Adder.Encode(1);
        int allocating = 0;
        for (int round = 0; round < 300; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            ValueTask<ulong> outcome = node.ProposeAsync(term, data);
            long proposed = GC.GetAllocatedBytesForCurrentThread();
            SpinWait.SpinUntil(
                () =>
                {
                    TakeAndApply(node);
                    return outcome.IsCompleted;
                },
                Patience).ShouldBeTrue();
            long applied = GC.GetAllocatedBytesForCurrentThread();
            outcome.GetAwaiter().GetResult();
            long read = GC.GetAllocatedBytesForCurrentThread();

            // The first rounds make the wait and compile the code.
            bool allocated = proposed - before + (read - applied) > 0;
            allocating += round >= 100 && allocated ? 1 : 0;
        }

        // The pump may still hold the last wait when the next begins: then there is one more of
        // them, and they are used in turn.
        allocating.ShouldBeLessThanOrEqualTo(2);
    }

    [RaftFact(Live = true)]
    public async Task ProposeAsync_FromManyTasks_GivesEachTheIndexOfItsOwnEntry()
    {
        const int Tasks = 8;
        const int Each = 250;
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        ulong term = node.Term();
        var applied = new ConcurrentDictionary<ulong, List<int>>();
        Task applying = Task.Run(async () =>
        {
            await foreach (ApplyBatch batch in node.ApplyQ().ReadAllAsync())
            {
                foreach (CommittedEntry committed in batch)
                {
                    applied[committed.Index] =
                        [.. committed.Select(entry => BitConverter.ToInt32(entry.Data))];
                }

                node.Applied(batch.LastIndex);
            }
        });

        (int Number, ulong Index)[][] outcomes = await Task.WhenAll(
            Enumerable.Range(0, Tasks).Select(task => Task.Run(async () =>
            {
                var own = new (int, ulong)[Each];
                for (int at = 0; at < Each; at++)
                {
                    int number = (task * Each) + at;
                    own[at] =
                        (number, await node.ProposeAsync(term, BitConverter.GetBytes(number)));
                }

                return own;
            }))).WaitAsync(Patience, TestContext.Current.CancellationToken);

        foreach ((int number, ulong index) in outcomes.SelectMany(own => own))
        {
            applied[index].ShouldContain(number);
        }

        applied.Values.Sum(numbers => numbers.Count).ShouldBe(Tasks * Each);
        node.Stop();
        await applying.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [RaftFact]
    public async Task Dispose_WhileManyTasksAwait_EndsEveryWait()
    {
        for (int round = 0; round < 10; round++)
        {
            using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
            Raft node = group.WaitOnLeader().Node;
            ulong term = node.Term();
            using var begun = new CountdownEvent(4);
            Task[] proposing =
            [
                .. Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
                {
                    begun.Signal();
                    return ProposeUntilTheEndAsync(node, term);
                })),
            ];
            begun.Wait(TestContext.Current.CancellationToken);

            node.Dispose();

            await Task.WhenAll(proposing)
                .WaitAsync(Patience, TestContext.Current.CancellationToken);
            group.Members[0].Stopped = true;
        }

        // Nobody applies: each wait ends with the node, whichever end of it comes first.
        static async Task ProposeUntilTheEndAsync(Raft node, ulong term)
        {
            var waits = new List<Task>();
            bool disposed = false;
            for (int at = 0; at < 1000 && !disposed; at++)
            {
                try
                {
                    waits.Add(node.ProposeAsync(term, new byte[16]).AsTask());
                }
                catch (ObjectDisposedException)
                {
                    disposed = true;
                }
            }

            foreach (Task wait in waits)
            {
                Exception end = (await Record.ExceptionAsync(() => wait)).ShouldNotBeNull();
                bool closed = end is RaftException { Status: RaftStatus.Closed };
                (closed || end is ObjectDisposedException).ShouldBeTrue(end.ToString());
            }
        }
    }

    private static Task<ulong> Propose(Raft node, long delta)
        => node.ProposeAsync(node.Term(), Adder.Encode(delta)).AsTask();

    /// <summary>Takes, without reporting, until an index is reached; yields that index.</summary>
    private static ulong TakeUntil(Raft node, ulong index)
    {
        ulong last = 0;
        SpinWait.SpinUntil(
            () =>
            {
                using ApplyBatch? batch = node.ApplyQ().TryTake();
                last = batch?.LastIndex ?? last;
                return last >= index;
            },
            Patience).ShouldBeTrue();
        return last;
    }

    private static void TakeAndApply(Raft node)
    {
        using ApplyBatch? batch = node.ApplyQ().TryTake();
        if (batch is { LastIndex: > 0 })
        {
            node.Applied(batch.LastIndex);
        }
    }
}
