using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Snapshots of live groups whose members stop and come back.</summary>
[Collection("live")]
public class RaftNodeTestsSnapshotsLive
{
    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2617")]
    [Trait("Kind", "live")]
    public void TestNRGSnapshotAndRestart(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, transport: transport);
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder> stopped = group.NonLeaders()[0];
        var random = new Random(2617);
        long total = 0;
        for (int at = 0; at < 1000; at++)
        {
            long delta = random.Next(222);
            leader.Propose(delta);
            total += delta;
            if (at == 250)
            {
                group.Advance(TimeSpan.FromMilliseconds(50));
                leader.Snapshot();
                stopped.Snapshot();
                group.Stop(stopped);
            }
        }

        group.Restart(stopped);

        group.WaitOnTotal(total);
    }

    [RaftTheory(Live = true)]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("ID", "2672")]
    [Trait("Kind", "live")]
    public void TestNRGSnapshotCatchup(bool restartsLeader)
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        IReadOnlyList<Member<Adder>> others = group.NonLeaders();
        group.Stop(others[0]);
        leader.Propose(10);
        group.WaitOnTotal(10);
        group.Stop(others[1]);
        leader.Snapshot();
        TestGroup<Adder>.Status(leader).first_index.ShouldBeGreaterThan(1UL);

        ulong before = leader.Node.Progress().Index;
        leader.Propose(10);
        group.Until(
            () => leader.Node.Progress().Index != before, "the entry", TimeSpan.FromSeconds(2));
        if (restartsLeader)
        {
            group.Stop(leader);
            group.Restart(leader);
        }

        // It needs the snapshot for what was dropped, and the entry behind it.
        group.Restart(others[0]);
        group.WaitOnTotal(20);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2699")]
    [Trait("Kind", "live")]
    public void TestNRGChainOfBlocksStopAndCatchUp(GroupTransport transport)
    {
        using var group = new TestGroup<ChainOfBlocks>(
            3, RaftLogKind.File, member => new ChainOfBlocks(member), transport: transport);
        var random = new Random(2699);
        group.WaitOnLeader();
        for (int iteration = 1; iteration <= 50; iteration++)
        {
            Member<ChainOfBlocks> stopped = group.Members[random.Next(3)];
            group.Stop(stopped);
            Any().CreateSnapshot();
            group.WaitOnLeader();
            for (int block = 0; block < 3; block++)
            {
                Member<ChainOfBlocks> proposer = Any();
                proposer.Node.ForwardProposal(proposer.State.NextBlock());
            }

            group.Restart(stopped);

            int blocks = 3 * iteration;
            group.Until(
                () => group.Running.Count() == 3
                    && group.Members.All(member => member.State.Blocks == blocks)
                    && group.Members.Select(member => member.State.Hash).Distinct().Count() == 1,
                $"{blocks} equal blocks everywhere",
                TimeSpan.FromSeconds(3));
        }

        Member<ChainOfBlocks> Any()
        {
            Member<ChainOfBlocks>[] running = [.. group.Running];
            return running[random.Next(running.Length)];
        }
    }
}
