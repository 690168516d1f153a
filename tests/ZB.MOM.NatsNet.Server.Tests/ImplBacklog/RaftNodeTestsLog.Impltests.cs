using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Truncation and the cache of pending entries, of a node driven by hand.</summary>
public class RaftNodeTestsLog
{
    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTruncateWALClearsPendingAppendEntryCache()
    {
        using DetachedNode node = WithThreeEntries();

        node.Call("truncate_wal", 1, 1);

        NodeState state = node.State;
        (state.Pindex, state.Pterm, state.Wal.Msgs).ShouldBe((1UL, 1UL, 1UL));
        state.Pae.ShouldBe([1UL]);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGResetWALClearsPendingAppendEntryCache()
    {
        using DetachedNode node = WithThreeEntries();

        node.Call("reset_wal");

        NodeState state = node.State;
        (state.Pindex, state.Wal.Msgs).ShouldBe((0UL, 0UL));
        state.Pae.ShouldBeEmpty();
    }

    private static DetachedNode WithThreeEntries()
    {
        DetachedNode node = Open();
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 1, E));
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 1, pindex: 2, E));
        NodeState state = node.State;
        (state.Pindex, state.Wal.Msgs).ShouldBe((3UL, 3UL));
        state.Pae.ShouldBe([1UL, 2UL, 3UL]);
        return node;
    }
}
