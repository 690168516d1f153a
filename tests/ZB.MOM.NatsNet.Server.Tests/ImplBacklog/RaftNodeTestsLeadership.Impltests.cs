using System.Text;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Leadership, step-down and proposals of a node driven by hand.</summary>
public class RaftNodeTestsLeadership
{
    [RaftFact]
    [Trait("ID", "2626")]
    [Trait("Kind", "white-box")]
    public void TestNRGSwitchStateClearsQueues()
    {
        using DetachedNode node = HandMade();
        node.Set("state", (int)RaftState.Leader);
        (node.State.Prop, node.State.Resp).ShouldBe((0, 0));

        node.Raft.QueuePush("prop", default);
        node.Raft.QueuePush("resp", new AppendEntryResponse(1, 1, N0, true).Encode());
        (node.State.Prop, node.State.Resp).ShouldBe((1, 1));

        node.Raft.SwitchState(RaftState.Follower);
        (node.State.Role, node.State.Prop, node.State.Resp).ShouldBe((RaftState.Follower, 0, 0));
    }

    [RaftFact]
    [Trait("ID", "2687")]
    [Trait("Kind", "white-box")]
    public void TestNRGSendAppendEntryNotLeader()
    {
        using DetachedNode node = Open();
        (node.State.Role, node.State.Pindex).ShouldBe((RaftState.Follower, 0UL));
        node.TakeSent();

        Refusal(() => node.Raft.SendAppendEntry(new Entry(default)))
            .ShouldBe(RaftStatus.NotLeader);

        node.State.Pindex.ShouldBe(0UL);
        node.TakeSentTo(node.State.Asubj).ShouldBeEmpty();
    }

    [RaftFact]
    [Trait("ID", "2692")]
    [Trait("Kind", "white-box")]
    public void TestNRGReportLeaderAfterNoopEntry()
    {
        using DetachedNode node = Open();
        (node.State.Role, node.State.Term, node.Raft.Leader())
            .ShouldBe((RaftState.Follower, 0UL, false));

        node.Raft.SwitchToCandidate();
        (node.State.Role, node.State.Term, node.Raft.Leader())
            .ShouldBe((RaftState.Candidate, 1UL, false));

        node.Raft.SwitchToLeader();
        NodeState led = node.State;
        (led.Role, led.Term, led.Pindex, led.Applied).ShouldBe((RaftState.Leader, 1UL, 1UL, 0UL));
        node.Raft.Leader().ShouldBeFalse();

        // With a quorum of one its own durable entry is committed already.
        led.Commit.ShouldBe(1UL);
        node.Raft.Applied(1);
        (node.State.Applied, node.Raft.Leader()).ShouldBe((1UL, true));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTermFencedProposals()
    {
        using DetachedNode node = Open();
        node.Raft.SwitchToCandidate();
        node.Raft.SwitchToLeader();
        (node.State.Role, node.State.Term).ShouldBe((RaftState.Leader, 1UL));

        node.Raft.Propose(1, default(ReadOnlyMemory<byte>));
        node.Raft.ProposeMulti(1, [new Entry(default)]);
        foreach (ulong term in (ulong[])[0, 2])
        {
            node.Raft.TryPropose(term, default(ReadOnlyMemory<byte>))
                .ShouldBe(RaftStatus.NotLeader);
            node.Raft.TryProposeMulti(term, default(ReadOnlyMemory<byte>), new uint[1])
                .ShouldBe(RaftStatus.NotLeader);
        }

        node.State.Role.ShouldBe(RaftState.Leader);
        node.Raft.StepDownCore("");
        node.State.Leadc.ShouldBe(new LeadChange(false, 1));

        node.State.Prop.ShouldBe(0);
        node.Raft.Applied(node.State.Commit);
        node.Raft.SwitchToCandidate();
        node.Raft.SwitchToLeader();
        node.State.Term.ShouldBe(2UL);
        node.Raft.TryPropose(1, default(ReadOnlyMemory<byte>)).ShouldBe(RaftStatus.NotLeader);
        node.Raft.TryProposeMulti(1, default(ReadOnlyMemory<byte>), new uint[1])
            .ShouldBe(RaftStatus.NotLeader);
        node.Raft.Propose(2, default(ReadOnlyMemory<byte>));
        node.Raft.ForwardProposal(default(ReadOnlyMemory<byte>));
        node.Raft.TakeProposals().Select(proposal => proposal.Term).ShouldBe([2UL, 2]);
    }

    [RaftTheory]
    [InlineData("Follower")]
    [InlineData("Candidate")]
    [InlineData("Leader")]
    [Trait("ID", "2665")]
    [Trait("Kind", "white-box")]
    public void TestNRGSignalLeadChangeFalseIfCampaignImmediately(string before)
    {
        using DetachedNode node = Open();
        node.Raft.CampaignImmediately();
        if (before != "Follower")
        {
            node.Raft.SwitchToCandidate();
        }

        if (before == "Leader")
        {
            node.Raft.SwitchToLeader();
            node.State.Leadc.ShouldBeNull();
        }

        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));

        NodeState state = node.State;
        state.Leadc.ShouldNotBeNull().IsLeader.ShouldBeFalse();
        (state.Role, state.Leader, state.Term).ShouldBe((RaftState.Follower, N0, 1UL));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGLeaderStepsDownIfOverrun()
    {
        const ulong Threshold = 100_000;
        using DetachedNode node = Open();
        node.State.Term.ShouldBe(0UL);
        node.Raft.TryPropose(0, default(ReadOnlyMemory<byte>)).ShouldBe(RaftStatus.NotLeader);
        node.Raft.TryProposeMulti(0, default(ReadOnlyMemory<byte>), new uint[1])
            .ShouldBe(RaftStatus.NotLeader);

        node.Raft.SwitchToCandidate();
        node.Raft.SwitchToLeader();
        node.State.Term.ShouldBe(1UL);
        node.Raft.Propose(1, default(ReadOnlyMemory<byte>));
        node.Raft.ProposeMulti(1, [new Entry(default)]);
        node.State.Role.ShouldBe(RaftState.Leader);

        // First a backlog without commits, then one that is committed and not applied.
        foreach (bool committed in (bool[])[false, true])
        {
            Backlog(node, Threshold, committed);
            node.Raft.Propose(1, default(ReadOnlyMemory<byte>));
            node.Raft.ProposeMulti(1, [new Entry(default)]);
            node.State.Role.ShouldBe(RaftState.Leader);

            Backlog(node, Threshold + 1, committed);
            node.Raft.TryPropose(1, default(ReadOnlyMemory<byte>)).ShouldBe(RaftStatus.NotLeader);
            node.State.Role.ShouldBe(RaftState.Follower);
            node.Set("state", (int)RaftState.Leader);
            node.Raft.TryProposeMulti(1, default(ReadOnlyMemory<byte>), new uint[1])
                .ShouldBe(RaftStatus.NotLeader);
            node.State.Role.ShouldBe(RaftState.Follower);
        }
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGProposalFastPath()
    {
        // The server keeps the term that is open for proposing apart and its test writes it.
        // Here it follows from the node, so the test opens and closes it by role and term.
        using DetachedNode node = HandMade();
        byte[] single = [.. "single"u8];
        node.Set(new() { ["state"] = (int)RaftState.Follower, ["term"] = 1 });
        node.Raft.TryFastPathPropose(0, single).ShouldBeFalse();
        node.Raft.TryFastPathPropose(1, single).ShouldBeFalse();

        node.Set("state", (int)RaftState.Leader);
        node.State.FastPathTerm.ShouldBe(1UL);
        node.Raft.TryFastPathPropose(2, single).ShouldBeFalse();
        node.Set("state", (int)RaftState.Follower);
        node.Raft.TryFastPathPropose(1, single).ShouldBeFalse();

        node.Set("state", (int)RaftState.Leader);
        node.Raft.TryFastPathPropose(1, single).ShouldBeTrue();
        byte[] first = [.. "multi 1"u8];
        Entry[] multi = [new(first), new("multi 2"u8.ToArray())];
        node.Raft.TryFastPathProposeMulti(1, multi).ShouldBeTrue();

        // The queue keeps nothing of the caller's.
        multi[0] = new Entry(default);
        Array.Clear(first);
        node.Raft.TakeProposals()
            .Select(proposal => (proposal.Term, Encoding.UTF8.GetString(proposal.Entry.Data.Span)))
            .ShouldBe([(1UL, "single"), (1UL, "multi 1"), (1UL, "multi 2")]);

        node.Set("state", (int)RaftState.Follower);
        node.State.FastPathTerm.ShouldBe(0UL);
        node.Raft.TryFastPathPropose(1, single).ShouldBeFalse();
    }

    private static void Backlog(DetachedNode node, ulong pindex, bool committed)
        => node.Set(new()
        {
            ["state"] = (int)RaftState.Leader,
            ["pindex"] = pindex,
            ["commit"] = committed ? pindex : 0,
            ["applied"] = 0,
        });
}
