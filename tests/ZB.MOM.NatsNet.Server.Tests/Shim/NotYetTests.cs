using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>What the engine cannot do yet says so, and does nothing else.</summary>
public class NotYetTests
{
    [RaftFact]
    public void MembersWhoseEnginePartIsMissing_ThrowWithTheirName()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        (string Name, Action Call)[] missing =
        [
            (nameof(Raft.IsSystemAccount), () => node.IsSystemAccount()),
            (nameof(Raft.GetTrafficAccountName), () => node.GetTrafficAccountName()),
            (nameof(Raft.RecreateInternalSubs), () => node.RecreateInternalSubs()),
        ];

        foreach ((string name, Action call) in missing)
        {
            Should.Throw<NotSupportedException>(call).Message.ShouldContain(name);
        }

        (node.State(), node.Progress()).ShouldBe((RaftState.Leader, (1UL, 1UL, 1UL)));
    }
}
