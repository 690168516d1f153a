using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>A panic of the engine ends one node; its runtime and the other nodes go on.</summary>
public class FaultTests : BoundaryTest
{
    [RaftFact]
    public void APanicInACall_PoisonsTheNode()
        => Poison(node => node.PanicInCall().ShouldBe(RaftStatus.Panic));

    [RaftFact]
    public void APanicInTheEngine_PoisonsTheNode()
        => Poison(node => node.PanicInNode().ShouldBe(RaftStatus.Ok));

    private static void Poison(Action<Raft> poison)
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Member<Adder> leader = group.WaitOnLeader();
        Raft node = leader.Node;

        poison(node);
        leader.Stopped = true;

        // The node refuses whatever would do something, reads as closed and says why.
        node.TryPropose(node.Term(), ReadOnlyMemory<byte>.Empty).ShouldBe(RaftStatus.Faulted);
        Should.Throw<RaftFaultedException>(
            () => node.Propose(node.Term(), ReadOnlyMemory<byte>.Empty)).Group.ShouldBe("TEST");
        node.State().ShouldBe(RaftState.Closed);
        node.Leader().ShouldBeFalse();
        node.GetWriteErr().ShouldBeOfType<RaftFaultedException>()
            .Message.ShouldContain("a test asked for this panic");
        SpinWait.SpinUntil(() => node.QuitC().IsCancellationRequested, TimeSpan.FromSeconds(10))
            .ShouldBeTrue();
        node.WaitForStop();

        // The others elect another leader and go on.
        group.WaitOnLeader().ShouldNotBe(leader);
        group.Leader!.Propose(3);
        group.WaitOnTotal(3);
        node.Dispose();
    }
}
