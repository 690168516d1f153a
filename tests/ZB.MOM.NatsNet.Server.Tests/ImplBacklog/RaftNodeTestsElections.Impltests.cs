using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Elections, votes and terms of a node driven by hand.</summary>
public class RaftNodeTestsElections
{
    [RaftFact]
    [Trait("ID", "2629")]
    [Trait("Kind", "white-box")]
    public void TestNRGUnsuccessfulVoteRequestCampaignEarly()
    {
        using DetachedNode node = Open();

        // Voting resets the election timer.
        node.Set("etlr", 0);
        node.Vr(term: 1, lastTerm: 0, lastIndex: 0, N0);
        Expect(node, term: 1, vote: N0, reset: true);

        // More up to date than the candidate: no vote, and a campaign of our own soon.
        node.Set(new() { ["etlr"] = 0, ["pterm"] = 1, ["pindex"] = 100 });
        node.Vr(term: 2, lastTerm: 1, lastIndex: 2, N0);
        Expect(node, term: 2, vote: "", reset: true);

        node.Set(new() { ["etlr"] = 0, ["pterm"] = 2, ["pindex"] = 200 });
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
        (node.State.Term, node.State.Etlr > 0).ShouldBe((3UL, true));

        // A higher term makes a candidate step down and begin anew.
        node.Set("etlr", 0);
        node.Vr(term: 4, lastTerm: 1, lastIndex: 2, N0);
        Expect(node, term: 4, vote: "", reset: true);

        node.Set(new() { ["etlr"] = 0, ["pterm"] = 4, ["pindex"] = 400 });
        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
        (node.State.Term, node.State.Etlr > 0).ShouldBe((5UL, true));

        // A candidate that refuses a vote in its own term does not restart its timer, or a rival
        // with an older log could put it off for ever.
        node.Set("etlr", 0);
        node.Vr(term: 5, lastTerm: 1, lastIndex: 2, N0);
        Expect(node, term: 5, vote: "", reset: false);
    }

    [RaftFact]
    [Trait("ID", "2714")]
    [Trait("Kind", "white-box")]
    public void TestNRGMustNotResetVoteOnStepDownOrLeaderTransfer()
    {
        using DetachedNode node = Open();

        node.Vr(term: 1, lastTerm: 0, lastIndex: 0, N0);
        (node.State.Term, node.State.Vote).ShouldBe((1UL, N0));

        node.Set("state", (int)RaftState.Leader);
        node.Raft.StepDown();
        (node.State.Role, node.State.Vote).ShouldBe((RaftState.Follower, N0));

        // The transfer names another peer: it is stored like any entry and clears no vote.
        node.Live(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, Transfer(N0)));
        (node.State.Term, node.State.Vote).ShouldBe((1UL, N0));
    }

    [RaftFact]
    [Trait("ID", "2676")]
    [Trait("Kind", "white-box")]
    public void TestNRGInitializeAndScaleUp()
    {
        const string Reply = "$TEST";
        const string Random = "_random_";
        using DetachedNode node = Open();
        node.State.Initializing.ShouldBeTrue();
        Join();
        node.State.Term.ShouldBe(0UL);
        node.TakeSent();

        // A new node is not marked as empty.
        node.Vr(term: 1, lastTerm: 0, lastIndex: 0, N0, Reply);
        (node.State.Term, node.State.Vote).ShouldBe((1UL, N0));
        Expect(joining: true);
        Answer().ShouldBe((1UL, true, false));

        node.Live(Ae(N0, term: 1, commit: 1, pterm: 0, pindex: 0, E));
        node.State.Pindex.ShouldBe(1UL);
        Expect(joining: false);

        node.Raft.ResetWAL();
        node.State.Pindex.ShouldBe(0UL);
        node.Vr(term: 2, lastTerm: 0, lastIndex: 0, Random, Reply);
        (node.State.Term, node.State.Vote).ShouldBe((2UL, Random));
        Answer().ShouldBe((2UL, true, true));

        node.Set("initializing", true);
        Join();
        Expect(joining: true);
        AppendEntry snapshot = Ae(
            N0,
            term: 2,
            commit: 1,
            pterm: 1,
            pindex: 1,
            new Entry(EntryType.Snapshot, default),
            new Entry(EntryType.PeerState, node.Raft.CurrentPeerState().Encode()));
        node.Raft.CreateCatchup(snapshot).ShouldStartWith("$NRG.CR.");
        node.Cu(snapshot);
        Expect(joining: false);

        node.Raft.ResetWAL();
        node.State.Pindex.ShouldBe(0UL);
        node.Set("initializing", true);
        node.Vr(term: 3, lastTerm: 0, lastIndex: 0, Random, Reply);
        (node.State.Term, node.State.Vote).ShouldBe((3UL, Random));
        Answer().ShouldBe((3UL, true, false));

        void Join()
        {
            node.Set("scaleUp", true);
            node.Raft.SetObserver(true);
        }

        void Expect(bool joining)
        {
            NodeState state = node.State;
            (state.Initializing, state.ScaleUp, state.Observer)
                .ShouldBe((joining, joining, joining));
        }

        (ulong Term, bool Granted, bool Empty) Answer()
        {
            VoteResponse answer =
                VoteResponse.Decode(node.TakeSentTo(Reply).ShouldHaveSingleItem().Payload);
            return (answer.Term, answer.Granted, answer.Empty);
        }
    }

    [RaftFact]
    [Trait("ID", "2690")]
    [Trait("Kind", "white-box")]
    public void TestNRGLostQuorum()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N1);
        node.Set("lsut", 0);
        node.State.Role.ShouldBe(RaftState.Follower);
        (node.Raft.Quorum(), node.Raft.LostQuorum()).ShouldBe((false, true));

        node.Raft.SwitchToCandidate();
        node.State.Role.ShouldBe(RaftState.Candidate);
        (node.Raft.Quorum(), node.Raft.LostQuorum()).ShouldBe((false, true));

        // A granted vote marks its sender as recently seen.
        node.Raft.AddPeer(N0);
        node.AnswerVotesWith(N0, granted: true);
        node.Raft.RunAsCandidate();

        node.State.Role.ShouldBe(RaftState.Leader);
        (node.Raft.Quorum(), node.Raft.LostQuorum()).ShouldBe((true, false));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGDoesntRequestVoteOnWriteError()
    {
        using DetachedNode node = Open();
        node.Set(new() { ["werr"] = "the disk is full", ["state"] = (int)RaftState.Candidate });
        node.TakeSent();

        node.Raft.RequestVote();

        node.TakeSentTo(node.State.Vsubj).ShouldBeEmpty();
    }

    [RaftFact]
    [Trait("Kind", "white-box")]
    public void RequestVote_BeforeItsOwnVoteIsDurable_IsNotSent()
    {
        // Differs from the server, which sends what it has not yet made durable.
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        node.TakeSent();
        node.HoldSync(true);

        node.Raft.SwitchToCandidate();
        node.Raft.RequestVote();
        node.TakeSentTo(node.State.Vsubj).ShouldBeEmpty();

        node.HoldSync(false);
        RaftMessage request = node.TakeSentTo(node.State.Vsubj).ShouldHaveSingleItem();
        VoteRequest.Decode(request.Payload).ShouldBe(new VoteRequest(1, 0, 0, Self));
        request.Reply.ShouldBe(node.State.Vreply);
    }

    private static void Expect(DetachedNode node, ulong term, string vote, bool reset)
    {
        NodeState state = node.State;
        (state.Term, state.Vote, state.Etlr > 0).ShouldBe((term, vote, reset));
    }
}
