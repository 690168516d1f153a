using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// The server's tests that reach into the nodes of a live group: terms, timers and votes. A
/// pause of the server is time moved here.
/// </summary>
[Collection("live")]
public class RaftNodeTestsLiveTerms
{
    private const string Inbox = "test.inbox";

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2620")]
    [Trait("Kind", "live")]
    public void TestNRGRecoverFromFollowingNoLeader(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, transport: transport);
        Member<Adder> leader = group.WaitOnLeader();
        ulong term = leader.Node.Term();
        foreach (Member<Adder> member in group.Members)
        {
            if (member != leader)
            {
                member.Node.PauseApply();
            }
        }

        Should.Throw<RaftException>(() => leader.Node.PauseApply())
            .Status.ShouldBe(RaftStatus.AlreadyLeader);
        foreach (Member<Adder> member in group.Members)
        {
            member.Node.SwitchToFollower("");
        }

        foreach (Member<Adder> member in group.Members)
        {
            member.Node.ResumeApply();
        }

        group.WaitOnLeader().Node.Term().ShouldNotBe(term);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2628")]
    [Trait("Kind", "live")]
    public void TestNRGUnsuccessfulVoteRequestDoesntResetElectionTimer()
    {
        RaftTiming slow = TestTiming.Reference with
        {
            ElectionMin = TimeSpan.FromSeconds(5),
            ElectionMax = TimeSpan.FromSeconds(10),
            Heartbeat = TimeSpan.FromSeconds(10),
        };
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File, timing: slow);
        Member<Adder> leader = group.WaitOnLeader();
        leader.Propose(1);
        group.WaitOnTotal(1);
        Member<Adder> follower = group.NonLeaders()[0];
        Member<Adder>[] both = [leader, follower];
        using LoopbackTap answers = group.Tap(Inbox);

        group.Freeze(group.Members);
        foreach (Member<Adder> member in both)
        {
            member.Node.ResetElect(slow.ElectionMax);
        }

        ulong[] before = [.. both.Select(member => member.Node.Inside().Etlr)];
        ulong old = follower.Node.Inside().Term - 1;
        group.Unfreeze(group.Members);

        // Without this a timer that is armed anew at the same moment would look untouched.
        group.Advance(TimeSpan.FromMilliseconds(100));
        var request = new VoteRequest(old, old, LastIndex: 0, follower.Id);
        group.Inject(group.VoteSubject, request.Encode(), Inbox);
        int heard = 0;
        group.Until(
            () => (heard += answers.Take().Length) >= 3, "three answers", TimeSpan.FromSeconds(1));

        both.Select(member => member.Node.Inside().Etlr).ShouldBe(before);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2631")]
    [Trait("Kind", "live")]
    public void TestNRGAssumeHighTermAfterCandidateIsolation()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        group.WaitOnLeader();
        Raft follower = group.NonLeaders()[0].Node;
        ulong high = follower.Inside().Term + 100;

        // Differs from the server: a vote is cast once, so a term that is written by hand has to
        // come without the vote of the old one.
        follower.Set(new JsonObject { ["term"] = high, ["vote"] = "" });
        follower.SwitchState(RaftState.Candidate);

        follower.RequestVote();

        group.Until(
            () => group.Members.All(member => member.Node.Term() == high),
            "the candidate's term everywhere",
            TimeSpan.FromMilliseconds(100));
        group.WaitOnLeader().Propose(1);
        group.WaitOnTotal(1);
        group.Members.ShouldAllBe(member
            => member.Node.State() != RaftState.Candidate && member.Node.Term() >= high);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2633")]
    [Trait("Kind", "live")]
    public void TestNRGElectionTimerAfterObserver()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Raft leader = group.WaitOnLeader().Node;
        foreach (Member<Adder> member in group.Members)
        {
            member.Node.SetObserver(true);
        }

        group.Advance(TestTiming.Reference.ElectionMax);
        ulong now = leader.Inside().Now;
        foreach (Member<Adder> member in group.Members)
        {
            member.Node.SetObserver(false);
        }

        group.Advance(TestTiming.Reference.CampaignMax);

        group.Members.ShouldAllBe(member => member.Node.Inside().Etlr >= now);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2635")]
    [Trait("Kind", "live")]
    public void TestNRGCandidateDoesntRevertTermAfterOldAE()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        for (int time = 0; time < 3; time++)
        {
            group.WaitOnLeader().Node.StepDown();
            group.Advance(TimeSpan.FromMilliseconds(50));
        }

        Member<Adder> leader = group.WaitOnLeader();
        Raft follower = group.NonLeaders()[0].Node;
        group.Advance(TimeSpan.FromMilliseconds(100));
        (leader.Node.Term(), follower.Term()).ShouldBe((4UL, 4UL));
        group.Freeze(group.Members);
        foreach (Member<Adder> member in group.Members)
        {
            member.Node.Set(new JsonObject { ["term"] = 9 });
        }

        // Newer than the log's term, older than the node's.
        NodeState led = leader.Node.Inside();
        led.Pterm.ShouldBe(4UL);
        AppendEntry between = Ae(leader.Id, 6, led.Commit, led.Pterm, led.Pindex);
        group.Unfreeze(group.Members);
        follower.SwitchToCandidate();
        follower.Replay(between);

        follower.Inside().Term.ShouldNotBe(6UL);
        follower.Inside().Term.ShouldBeGreaterThanOrEqualTo(9UL);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2636")]
    [Trait("Kind", "live")]
    public void TestNRGTermDoesntRollBackToPtermOnCatchup()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Member<Adder> first = group.WaitOnLeader();
        for (int total = 1; total <= 5; total++)
        {
            first.Propose(1);
            group.WaitOnTotal(total);
        }

        group.Freeze(group.Members);
        group.Members.Select(member => member.Node.Inside())
            .ShouldAllBe(state => state.Term == 1 && state.Pterm == 1 && state.Pindex == 6);
        group.Unfreeze(group.Members);
        first.Node.SwitchToFollower("");
        Member<Adder> leader = group.WaitOnLeader();

        group.Freeze(group.Members);
        foreach (Member<Adder> member in group.Members)
        {
            member.Node.Inside().Term.ShouldBe(2UL);
            if (member != leader)
            {
                member.Node.TruncateWAL(1, 6);
                NodeState cut = member.Node.Inside();
                (cut.Term, cut.Pterm, cut.Pindex).ShouldBe((2UL, 1UL, 6UL));
            }
        }

        NodeState led = leader.Node.Inside();
        AppendEntry ae = Ae(leader.Id, led.Term, led.Commit, led.Pterm, led.Pindex);
        group.Unfreeze(group.Members);
        using LoopbackTap answers = group.Tap(Inbox);
        group.Advance(TimeSpan.FromMilliseconds(100));
        group.Inject(group.AppendEntrySubject, ae.Encode(), Inbox);

        int heard = 0;
        group.Until(
            () => (heard += answers.Take().Length) >= 2, "two answers", TimeSpan.FromSeconds(5));
        group.Members.ShouldAllBe(member => member.Node.Term() >= 2);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2638")]
    [Trait("Kind", "live")]
    public void TestNRGCandidateDontStepdownDueToLeaderOfPreviousTerm()
    {
        RaftTiming slow = TestTiming.Reference with
        {
            ElectionMin = TimeSpan.FromSeconds(5),
            ElectionMax = TimeSpan.FromSeconds(10),
            Heartbeat = TimeSpan.FromSeconds(1),
        };
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File, timing: slow);
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder> candidate = group.NonLeaders()[0];
        candidate.Node.SwitchState(RaftState.Candidate);
        candidate.Node.Set(Position(100));
        leader.Node.Set(Position(50));
        using LoopbackTap spy = group.Tap(group.AppendEntrySubject);

        RaftMessage[] heard = [];
        group.Until(
            () => (heard = spy.Take()).Length > 0, "an append entry", TimeSpan.FromSeconds(5));

        AppendEntry ae = AppendEntry.Decode(heard[0].Payload);
        (ae.Leader, ae.Term).ShouldBe((leader.Id, 50UL));
        NodeState state = candidate.Node.Inside();
        (state.Role, state.Term > 50).ShouldBe((RaftState.Candidate, true));

        static JsonObject Position(ulong term)
            => new() { ["pterm"] = 50, ["pindex"] = 70, ["term"] = term };
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2641")]
    [Trait("Kind", "live")]
    public void TestNRGTermNoDecreaseAfterWALReset()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        IReadOnlyList<Member<Adder>> followers = group.NonLeaders();
        group.Freeze(group.Members);
        leader.Node.Set(new JsonObject { ["term"] = 20 });
        NodeState led = leader.Node.Inside();
        AppendEntry ae = Ae(leader.Id, led.Term, led.Commit, led.Pterm, led.Pindex, E);
        foreach (Member<Adder> follower in followers)
        {
            follower.Node.Live(ae);
            follower.Node.Inside().Term.ShouldBe(20UL);
        }

        ae.Term = 3;
        foreach (Member<Adder> follower in followers)
        {
            follower.Node.Live(ae);
            follower.Node.Inside().Term.ShouldBe(20UL);
            follower.Node.ResetWAL();
            follower.Node.Live(ae);
            follower.Node.Inside().Term.ShouldBe(20UL);
        }

        group.Unfreeze(group.Members);
    }

    [RaftTheory(Live = true)]
    [InlineData(1)]
    [InlineData(20_000)]
    [InlineData(20_001)]
    [Trait("ID", "2642")]
    [Trait("Kind", "live")]
    public void TestNRGPendingAppendEntryCacheInvalidation(int cached)
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        group.WaitOnLeader().Propose(1);
        group.WaitOnTotal(1);
        group.Freeze(group.Members);
        foreach (Member<Adder> member in group.Members)
        {
            int first = (int)member.Node.Inside().Pindex + 1;
            IEnumerable<JsonNode?> keys =
                Enumerable.Range(first, cached).Select(key => (JsonNode?)key);
            member.Node.Set(new JsonObject { ["pae"] = new JsonArray([.. keys]) });
            member.Node.Inside().Pae.Count.ShouldBe(cached);
        }

        group.Unfreeze(group.Members);

        // What is cached of another life is never applied.
        group.WaitOnLeader().Propose(1);
        group.WaitOnTotal(2);
    }
}
