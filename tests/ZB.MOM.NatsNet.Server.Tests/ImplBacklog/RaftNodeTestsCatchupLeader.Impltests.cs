using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>The leader's side of a catch-up, of a node driven by hand.</summary>
public class RaftNodeTestsCatchupLeader
{
    private const string FirstInbox = "$NRG.CR.TEST.1";
    private const string SecondInbox = "$NRG.CR.TEST.2";

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGCatchupRerequestDoesNotOrphanProgressQueue()
    {
        // A run is a value in the node here, and a turn is its share of time: a superseded run ends
        // at once, and what it would have sent to an inbox nobody listens to is not sent.
        using DetachedNode node = Open();
        for (ulong last = 0; last < 3; last++)
        {
            node.Raft.StoreToWAL(Large(last));
        }

        node.Set("term", 1);
        node.Raft.SwitchToLeader();
        node.State.Pindex.ShouldBe(4UL);
        var request = new AppendEntryResponse(Term: 1, Index: 0, N1, Success: false);

        node.Raft.CatchupFollower(request, FirstInbox);
        ulong first = node.State.Progress[N1];
        node.Raft.Turn();
        node.TakeSentTo(FirstInbox).Count.ShouldBeInRange(1, 3);
        node.State.Progress[N1].ShouldBe(first, "the run goes on");

        node.Raft.StoreToWAL(Large(4));
        node.Raft.CatchupFollower(request, SecondInbox);
        ulong second = node.State.Progress[N1];
        second.ShouldNotBe(first);
        node.Raft.Turn();
        node.State.Progress[N1].ShouldBe(second, "a run removes only its own entry");

        // Its end proposes the stranger as a member.
        var sent = node.TakeSent().Where(message => message.Subject != node.State.Asubj).ToList();
        for (int turn = 0; turn < 10 && node.State.Progress.ContainsKey(N1); turn++)
        {
            node.State.Peers.Keys.ShouldBe([Self]);
            node.Raft.Turn();
            sent.AddRange(node.TakeSent());
        }

        node.State.Progress.ShouldBeEmpty();
        sent.Where(message => message.Subject == FirstInbox).ShouldBeEmpty();
        sent.Where(message => message.Subject == SecondInbox)
            .Select(message => AppendEntry.Decode(message.Payload).PIndex)
            .ShouldBe([0UL, 1, 2, 3, 4]);
        node.Raft.Turn();
        node.State.Peers.Keys.ShouldContain(N1);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public async Task TestNRGCatchupFollowerNoWaitGroupLeakWhenGoRoutineFails()
    {
        // The server's server refuses the task of the run here, whose count must be given back
        // or the deletion waits for ever. A run is no task of its own in this engine, so nothing
        // can be refused: the deletion ends it, whatever it still has to send.
        const string Follower = "follower";
        using DetachedNode node = Open();
        node.Set("term", 1);
        node.Raft.SwitchToLeader();
        AppendEntry entry = node.Raft.BuildAppendEntry(new Entry("hello"u8.ToArray()));
        (entry.Term, entry.PIndex, entry.Entries.Count).ShouldBe((1UL, 1UL, 1));
        node.Raft.StoreToWAL(entry);

        node.Raft.CatchupFollower(
            new AppendEntryResponse(entry.Term, 0, Follower, Success: true), FirstInbox);
        node.State.Progress.Keys.ShouldBe([Follower]);

        await Task.Run(node.Raft.Delete).WaitAsync(TimeSpan.FromSeconds(2));

        node.State.Progress.ShouldBeEmpty();
        node.Raft.IsDeleted().ShouldBeTrue();
    }

    /// <summary>An append entry of 1 MiB after an index.</summary>
    private static AppendEntry Large(ulong pindex)
        => Ae(N0, 1, 0, pindex == 0 ? 0UL : 1, pindex, new Entry(new byte[1 << 20]));
}
