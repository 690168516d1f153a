using System.Text.Json.Nodes;
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

        node.Call("queue_push", "prop", "", 0);
        node.Call(
            "queue_push", "resp", Vectors.Hex(new AppendEntryResponse(1, 1, N0, true).Encode()));
        (node.State.Prop, node.State.Resp).ShouldBe((1, 1));

        node.Call("switch_state", (int)RaftState.Follower);
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

        node.Refusal("send_append_entry", Entries(new Entry(default)))
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
        (node.State.Role, node.State.Term, node.Is("leader"))
            .ShouldBe((RaftState.Follower, 0UL, false));

        node.Call("switch_to_candidate");
        (node.State.Role, node.State.Term, node.Is("leader"))
            .ShouldBe((RaftState.Candidate, 1UL, false));

        node.Call("switch_to_leader");
        NodeState led = node.State;
        (led.Role, led.Term, led.Pindex, led.Applied).ShouldBe((RaftState.Leader, 1UL, 1UL, 0UL));
        node.Is("leader").ShouldBeFalse();

        // With a quorum of one its own durable entry is committed already.
        led.Commit.ShouldBe(1UL);
        node.Call("applied", 1);
        (node.State.Applied, node.Is("leader")).ShouldBe((1UL, true));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTermFencedProposals()
    {
        using DetachedNode node = Open();
        node.Call("switch_to_candidate");
        node.Call("switch_to_leader");
        (node.State.Role, node.State.Term).ShouldBe((RaftState.Leader, 1UL));

        node.Call("propose", 1, "");
        node.Call("propose_multi", 1, Entries(new Entry(default)));
        foreach (ulong term in (ulong[])[0, 2])
        {
            node.Refusal("propose", term, "").ShouldBe(RaftStatus.NotLeader);
            node.Refusal("propose_multi", term, Entries(new Entry(default)))
                .ShouldBe(RaftStatus.NotLeader);
        }

        node.State.Role.ShouldBe(RaftState.Leader);
        node.Call("step_down_core");
        node.State.Leadc.ShouldBe(new LeadChange(false, 1));

        node.State.Prop.ShouldBe(0);
        node.Call("applied", node.State.Commit);
        node.Call("switch_to_candidate");
        node.Call("switch_to_leader");
        node.State.Term.ShouldBe(2UL);
        node.Refusal("propose", 1, "").ShouldBe(RaftStatus.NotLeader);
        node.Refusal("propose_multi", 1, Entries(new Entry(default)))
            .ShouldBe(RaftStatus.NotLeader);
        node.Call("propose", 2, "");
        node.Call("forward_proposal", "");
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
        node.Call("campaign_immediately");
        if (before != "Follower")
        {
            node.Call("switch_to_candidate");
        }

        if (before == "Leader")
        {
            node.Call("switch_to_leader");
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
        node.Refusal("propose", 0, "").ShouldBe(RaftStatus.NotLeader);
        node.Refusal("propose_multi", 0, Entries(new Entry(default)))
            .ShouldBe(RaftStatus.NotLeader);

        node.Call("switch_to_candidate");
        node.Call("switch_to_leader");
        node.State.Term.ShouldBe(1UL);
        node.Call("propose", 1, "");
        node.Call("propose_multi", 1, Entries(new Entry(default)));
        node.State.Role.ShouldBe(RaftState.Leader);

        // First a backlog without commits, then one that is committed and not applied.
        foreach (bool committed in (bool[])[false, true])
        {
            Backlog(node, Threshold, committed);
            node.Call("propose", 1, "");
            node.Call("propose_multi", 1, Entries(new Entry(default)));
            node.State.Role.ShouldBe(RaftState.Leader);

            Backlog(node, Threshold + 1, committed);
            node.Refusal("propose", 1, "").ShouldBe(RaftStatus.NotLeader);
            node.State.Role.ShouldBe(RaftState.Follower);
            node.Set("state", (int)RaftState.Leader);
            node.Refusal("propose_multi", 1, Entries(new Entry(default)))
                .ShouldBe(RaftStatus.NotLeader);
            node.State.Role.ShouldBe(RaftState.Follower);
        }
    }

    private static void Backlog(DetachedNode node, ulong pindex, bool committed)
        => node.Set(new()
        {
            ["state"] = (int)RaftState.Leader,
            ["pindex"] = pindex,
            ["commit"] = committed ? pindex : 0,
            ["applied"] = 0,
        });

    private static JsonArray Entries(params Entry[] entries)
        => [.. entries.Select(entry => (JsonNode)new JsonObject
        {
            ["type"] = (int)entry.Type,
            ["data"] = Vectors.Hex(entry.Data.Span),
        })];
}
