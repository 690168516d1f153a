using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>Notices of leadership: the newest wins, and nobody waits for a reader.</summary>
public class LeadChangeTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [RaftFact]
    public void TryTake_AfterSeveralChanges_YieldsTheNewestOnly()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Member<Adder> member = group.WaitOnLeader();
        group.Until(() => member.TakeLeadChange() is { IsLeader: true }, "the first notice");

        // Applied by hand, so that nobody reads the notices meanwhile.
        for (ulong term = 2; term <= 4; term++)
        {
            member.Node.StepDown();
            member.Node.CampaignImmediately();
            LeadAgain(group, member.Node);
        }

        member.Node.LeadChangeC().TryTake(out LeadChange change).ShouldBeTrue();
        change.ShouldBe(new LeadChange(true, 4));
        member.Node.LeadChangeC().TryTake(out _).ShouldBeFalse();
        member.Node.Term().ShouldBe(4UL);
    }

    [RaftFact]
    public async Task ReadAllAsync_SeesTheLossOfLeadership_AndEndsWithTheNode()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Member<Adder> member = group.WaitOnLeader();
        group.Until(() => member.TakeLeadChange() is { IsLeader: true }, "the first notice");
        var lost = new TaskCompletionSource<LeadChange>();
        Task reading = Task.Run(async () =>
        {
            await foreach (LeadChange change in member.Node.LeadChangeC().ReadAllAsync())
            {
                lost.TrySetResult(change);
            }
        });

        member.Node.StepDown();

        (await lost.Task.WaitAsync(Patience, TestContext.Current.CancellationToken))
            .ShouldBe(new LeadChange(false, 1));
        member.Node.Stop();
        await reading.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [RaftFact]
    public void LeaderSince_IsSetWhileTheNodeLeads()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;

        Leadership().ShouldBe((true, true, false, true, Ids.Self));

        node.StepDown();
        Leadership().ShouldBe((false, false, true, true, ""));

        (bool Since, bool Leader, bool Leaderless, bool Had, string Id) Leadership() => (
            node.LeaderSince().HasValue,
            node.Leader(),
            node.Leaderless(),
            node.HadPreviousLeader(),
            node.GroupLeader());
    }

    private static void LeadAgain(TestGroup<Adder> group, Raft node)
    {
        for (int step = 0; step < 1000 && !node.Leader(); step++)
        {
            Native.NativeMethods.TestClockAdvance(
                group.Runtime.Handle, TimeSpan.FromMilliseconds(10))
                .ShouldBe(RaftStatus.Ok);
            using ApplyBatch? batch = node.ApplyQ().TryTake();
            if (batch is { LastIndex: > 0 })
            {
                node.Applied(batch.LastIndex);
            }
        }

        node.Leader().ShouldBeTrue();
    }
}
