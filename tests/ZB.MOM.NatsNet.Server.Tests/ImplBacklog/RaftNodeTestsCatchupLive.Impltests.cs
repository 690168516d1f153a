using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Catch-ups of live groups.</summary>
[Collection("live")]
public class RaftNodeTestsCatchupLive
{
    [RaftFact(Live = true)]
    [Trait("ID", "2695")]
    [Trait("Kind", "live")]
    public void TestNRGNoLogResetOnCorruptedSendToFollower()
    {
        using TestGroup<Adder> group = AdderGroup.Create(2, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder> follower = group.NonLeaders().ShouldHaveSingleItem();
        for (int delta = 1; delta <= 10; delta++)
        {
            leader.Propose(delta);
            group.Advance(TimeSpan.FromMilliseconds(50));
        }

        group.WaitOnTotal(55);
        NodeState inside = leader.Node.Inside();
        inside.Applied.ShouldBe(inside.Pindex);
        leader.Node.InstallSnapshotCore(new RaftSnapshot(
            inside.Pterm, inside.Pindex, leader.Node.CurrentPeerState(), Adder.Encode(55)));
        group.Until(() => leader.Node.Inside().Wal.Msgs == 0, "the snapshot");

        follower.Node.WalTruncate(0);
        group.Stop(follower);
        string file = Path.Combine(
            inside.Sd, "snapshots", $"snap.{inside.Pterm}.{inside.Pindex}");
        byte[] whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, whole[..^1]);
        leader.TakeLeadChange();

        // Whoever cannot read its snapshot cannot serve a follower that needs it: it steps down,
        // and keeps its log.
        group.Restart(follower);
        group.Until(
            () => leader.TakeLeadChange() is { IsLeader: false },
            "the end of the leadership, before the quorum could be missed",
            TimeSpan.FromSeconds(2));
        group.Advance(TimeSpan.FromMilliseconds(200));
        leader.Node.Inside().Wal.Last.ShouldBeGreaterThanOrEqualTo(inside.Pindex);
        leader.Node.Inside().Pindex.ShouldBeGreaterThanOrEqualTo(inside.Pindex);
        leader.Node.GetWriteErr().ShouldBeNull();
    }
}
