using System.Text;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// The server's tests of live groups, on moved time: where the server sleeps, the group's
/// clock is advanced.
/// </summary>
[Collection("live")]
public class RaftNodeTestsLive
{
    private const string Inbox = "test.inbox";

    private static readonly TimeSpan OneSecond = TimeSpan.FromSeconds(1);

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2616")]
    [Trait("Kind", "live")]
    public void TestNRGSimple(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, transport: transport);
        group.WaitOnLeader();
        var random = new Random(2616);

        group.RandomMember(random).Propose(22);
        group.RandomMember(random).Propose(-11);
        group.RandomMember(random).Propose(-10);

        group.WaitOnTotal(1);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2621")]
    [Trait("Kind", "live")]
    public void TestNRGInlineStepdown(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.Memory, transport: transport);
        Member<Adder> leader = group.WaitOnLeader();

        leader.Node.StepDown();

        leader.Node.State().ShouldNotBe(RaftState.Leader);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2622")]
    [Trait("Kind", "live")]
    public void TestNRGObserverMode(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, transport: transport);
        Member<Adder> leader = group.WaitOnLeader();
        IReadOnlyList<Member<Adder>> others = group.NonLeaders();
        foreach (Member<Adder> other in others)
        {
            other.Node.SetObserver(true);
        }

        leader.Propose(1);
        leader.Propose(2);
        leader.Propose(3);

        group.WaitOnTotal(6);
        others.ShouldAllBe(other => other.Node.IsObserver());
        leader.Node.IsObserver().ShouldBeFalse();
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2623")]
    [Trait("Kind", "live")]
    public void TestNRGAEFromOldLeader()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Member<Adder> old = group.WaitOnLeader();
        using LoopbackTap catchups = group.Tap("$NRG.CR.>");
        using LoopbackTap answers = group.Tap(Inbox);
        old.Node.StepDown();
        group.Advance(TimeSpan.FromMilliseconds(100));
        Member<Adder> leader = group.WaitOnLeader();
        old.Node.Term().ShouldBe(2UL);

        group.Inject(
            group.AppendEntrySubject, DetachedNode.Ae(leader.Id, 1, 0, 0, 0).Encode(), Inbox);

        RaftMessage[] heard = [];
        group.Until(
            () => (heard = answers.Take()).Length > 0, "an answer to the old leader", OneSecond);
        heard.ShouldAllBe(message => !AppendEntryResponse.Decode(message.Payload).Success);
        group.Advance(TimeSpan.FromSeconds(2));
        catchups.Take().ShouldBeEmpty();
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2624")]
    [Trait("Kind", "live")]
    public void TestNRGSimpleElection()
    {
        using TestGroup<Adder> group = AdderGroup.Create(9, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        ulong startTerm = leader.Node.Term();
        using LoopbackTap requests = group.Tap(group.VoteSubject);
        using LoopbackTap inboxes = group.Tap("$NRG.R.*");

        leader.Node.StepDown();

        RaftMessage[] asked = [];
        group.Until(() => (asked = requests.Take()).Length > 0, "a vote request", OneSecond);
        VoteRequest request = VoteRequest.Decode(asked[0].Payload);
        request.Candidate.ShouldBe(asked[0].Source);
        (request.Term, request.LastTerm).ShouldBe((startTerm + 1, startTerm));

        var votes = new List<VoteResponse>();
        group.Until(
            () =>
            {
                votes.AddRange(inboxes.Take()
                    .Where(message => message.Subject == asked[0].Reply)
                    .Select(message => VoteResponse.Decode(message.Payload))
                    .Where(vote => vote.Term >= request.Term));
                return votes.Count >= 8;
            },
            "eight votes",
            OneSecond);
        votes.Select(vote => vote.Peer).ShouldBeUnique();
        votes.ShouldAllBe(vote => vote.Granted && vote.Term == startTerm + 1);
        foreach (Member<Adder> member in group.Members)
        {
            NrgNodeState.Unmanaged status = TestGroup<Adder>.Status(member);
            (status.term, PeerIds.Text(status.vote)).ShouldBe((startTerm + 1, request.Candidate));
        }
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2625")]
    [Trait("Kind", "live")]
    public void TestNRGLeaderTransfer()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory, name: "Test");
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder> chosen = group.NonLeaders()[^1];
        using LoopbackTap spy = group.Tap(group.AppendEntrySubject);

        leader.Node.StepDown(chosen.Id);

        group.WaitOnLeader().Id.ShouldBe(chosen.Id);
        IEnumerable<List<Entry>> sent = spy.Take()
            .Select(message => AppendEntry.Decode(message.Payload).Entries);
        Entry transfer = sent.Single(entries => entries is [{ Type: EntryType.LeaderTransfer }])[0];
        Encoding.Latin1.GetString(transfer.Data.Span).ShouldBe(chosen.Id);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2627")]
    [Trait("Kind", "live")]
    public void TestNRGStepDownOnSameTermDoesntClearVote()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        group.Until(
            () => leader.TakeLeadChange() is { IsLeader: true },
            "the notice of leadership",
            OneSecond);
        Member<Adder> other = group.NonLeaders()[0];
        ulong term = leader.Node.Term();
        AppendEntry forged = HearAppendEntry(group);
        forged.Leader = other.Id;

        forged.Term = term - 1;
        group.Inject(group.AppendEntrySubject, forged.Encode(), Inbox);
        group.Advance(OneSecond);
        leader.TakeLeadChange().ShouldBeNull();
        TestGroup<Adder>.Status(leader).vote.ShouldNotBe(0UL);

        forged.Term = term;
        group.Inject(group.AppendEntrySubject, forged.Encode(), Inbox);
        group.Until(
            () => leader.TakeLeadChange() is { IsLeader: false },
            "the notice of its end",
            OneSecond);
        NrgNodeState.Unmanaged status = TestGroup<Adder>.Status(leader);
        (status.term, status.vote != 0).ShouldBe((term, true));
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2630")]
    [Trait("Kind", "live")]
    public void TestNRGInvalidTAVDoesntPanic(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, transport: transport);
        Member<Adder> leader = group.WaitOnLeader();
        group.Stop(leader);
        File.WriteAllBytes(Path.Combine(leader.Config.StoreDirectory, "tav.idx"), [1, 2, 3, 4]);

        group.Restart(leader);

        group.WaitOnLeader().Propose(7);
        group.WaitOnTotal(7);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2637")]
    [Trait("Kind", "live")]
    public void TestNRGNoResetOnAppendEntryResponse()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        group.Until(
            () => leader.TakeLeadChange() is { IsLeader: true }, "the notice of leadership");
        IReadOnlyList<Member<Adder>> others = group.NonLeaders();
        using LoopbackTap spy = group.Tap(group.AppendEntrySubject);
        group.Freeze(others);

        leader.Propose(5);
        group.Until(
            () =>
            {
                foreach (RaftMessage message in spy.Take())
                {
                    AppendEntry ae = AppendEntry.Decode(message.Payload);
                    if (ae.Entries.Count > 0)
                    {
                        var refusal = new AppendEntryResponse(
                            ae.Term + 1, ae.Commit, others[0].Id, Success: false);
                        group.Inject(message.Reply, refusal.Encode());
                    }
                }

                return leader.TakeLeadChange() is { IsLeader: false };
            },
            "the end of the leadership");

        // It follows now, and has kept its log.
        (_, ulong commit, _) = leader.Node.Progress();
        NrgNodeState.Unmanaged status = TestGroup<Adder>.Status(leader);
        leader.Node.State().ShouldBe(RaftState.Follower);
        (status.last_term, status.last_index).ShouldBe((1UL, commit + 1));
        group.Unfreeze(others);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2657")]
    [Trait("Kind", "live")]
    public void TestNRGForwardProposalResponse()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        group.WaitOnLeader();
        using LoopbackTap answers = group.Tap(Inbox);

        group.Inject(group.ProposalSubject, Adder.Encode(123), Inbox);

        RaftMessage[] heard = [];
        group.Until(
            () => (heard = answers.Take()).Length > 0, "an answer", TimeSpan.FromSeconds(5));
        heard.ShouldHaveSingleItem().Payload.ShouldBeEmpty();
        group.WaitOnTotal(123);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "new")]
    [Trait("Kind", "live")]
    public void TestNRGMalformedAppendEntryResponse()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Member<Adder> leader = group.WaitOnLeader();
        using LoopbackTap spy = group.Tap(group.AppendEntrySubject);
        group.Advance(TimeSpan.FromMilliseconds(100));
        string inbox = spy.Take()[0].Reply;

        // Exactly 25 bytes or nothing.
        group.Inject(inbox, []).ShouldBe(1);
        group.Inject(inbox, [1, 2, 3]).ShouldBe(1);
        group.Inject(inbox, new byte[26]).ShouldBe(1);

        leader.Propose(1);
        group.WaitOnTotal(1);
        group.Leader.ShouldBe(leader);
    }

    [RaftTheory(Live = true)]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("ID", "2640")]
    [Trait("Kind", "live")]
    public void TestNRGWALEntryWithoutQuorumMustTruncate(bool diverged)
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> old = group.WaitOnLeader();
        NodeState led = old.Node.Inside();
        AppendEntry alone = DetachedNode.Ae(
            old.Id, led.Term, led.Commit, led.Pterm, led.Pindex, DetachedNode.E);
        old.Node.StoreToWAL(alone);
        old.Node.Inside().Pindex.ShouldBe(led.Pindex + 1);
        group.Stop(old);
        group.WaitOnLeader();
        if (diverged)
        {
            group.Leader!.Propose(11);
            group.WaitOnTotal(11);
        }

        group.Restart(old);

        group.Until(
            () => group.Members.Select(Entries).Distinct().Count() == 1,
            "logs that are equal",
            TimeSpan.FromSeconds(5));
        group.WaitOnTotal(diverged ? 11 : 0);
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2652")]
    [Trait("Kind", "live")]
    public void TestNRGRecoverPindexPtermOnlyIfLogNotEmpty()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        group.WaitOnLeader();
        Member<Adder> emptied = group.Members[0];
        group.Freeze([emptied]);
        emptied.Node.WalTruncate(0);
        group.Unfreeze([emptied]);
        foreach (Member<Adder> member in group.Members)
        {
            group.Stop(member);
        }

        group.Restart(emptied);

        // The term alone makes no position in the log.
        NodeState state = emptied.Node.Inside();
        (state.Term, state.Pterm, state.Pindex).ShouldBe((1UL, 0UL, 0UL));
    }

    [RaftTheory(Live = true)]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("ID", "2670")]
    [Trait("Kind", "live")]
    public void TestNRGDontRejectAppendEntryFromReplay(bool restartLeader)
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        IReadOnlyList<Member<Adder>> others = group.NonLeaders();
        group.Stop(others[0]);
        group.Stop(others[1]);
        (ulong before, _, _) = leader.Node.Progress();
        leader.Propose(10);
        group.Until(
            () => leader.Node.Progress().Index != before,
            "the entry in the log",
            TimeSpan.FromSeconds(2));
        if (restartLeader)
        {
            group.Stop(leader);
            group.Restart(leader);
        }

        group.Restart(others[0]);

        group.WaitOnTotal(10);
    }

    [RaftTheory(Live = true)]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("ID", "2671")]
    [Trait("Kind", "live")]
    public void TestNRGSimpleCatchup(bool leaderChange)
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.File);
        Member<Adder> leader = group.WaitOnLeader();
        Member<Adder> behind = group.NonLeaders()[0];
        group.Stop(behind);
        leader.Propose(10);
        group.WaitOnTotal(10);
        behind.State.Sum.ShouldBe(0);
        if (leaderChange)
        {
            leader.Node.StepDown();
        }

        group.Restart(behind);

        group.WaitOnTotal(10);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "2698")]
    [Trait("Kind", "live")]
    public void TestNRGChainOfBlocksRunInLockstep(GroupTransport transport)
    {
        using var group =
            new TestGroup<ChainOfBlocks>(
                3, RaftLogKind.File, id => new ChainOfBlocks(id), transport: transport);
        group.WaitOnLeader();
        var random = new Random(2698);
        for (int iteration = 1; iteration <= 50; iteration++)
        {
            Member<ChainOfBlocks> proposer = group.Members[random.Next(group.Members.Count)];
            proposer.Node.ForwardProposal(proposer.State.NextBlock());

            group.Until(
                () => group.Members.All(member => member.State.Blocks == iteration),
                $"block {iteration} everywhere",
                TimeSpan.FromSeconds(3));
            group.Members.Select(member => member.State.Hash).Distinct().ShouldHaveSingleItem();
        }

        group.Members.ShouldAllBe(member => member.State.Ready);
    }

    [RaftTheory(Live = true)]
    [InlineData(GroupTransport.Loopback)]
    [InlineData(GroupTransport.Host)]
    [Trait("ID", "new")]
    [Trait("Kind", "live")]
    public void TestNRGTrackPeerLag(GroupTransport transport)
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.File, transport: transport);
        long total = 0;
        for (int round = 0; round < 2; round++)
        {
            group.WaitOnLeader();
            for (int step = 0; step < 5; step++)
            {
                group.Leader!.Propose(10);
                total += 10;
                group.WaitOnTotal(total);
            }

            group.Advance(TimeSpan.FromMilliseconds(100));
            foreach (Member<Adder> member in group.Members)
            {
                ExpectPeers(member);
            }

            if (round == 0)
            {
                group.Leader!.Node.StepDown();
            }
        }
    }

    /// <summary>The whole log of a member, entry by entry, without its trailers.</summary>
    private static string Entries(Member<Adder> member)
    {
        WalState wal = member.Node.Inside().Wal;
        var entries = new StringBuilder();
        for (ulong index = wal.First; index <= wal.Last; index++)
        {
            AppendEntry entry = member.Node.LoadEntry(index);
            entry.LTerm = 0;
            entries.Append(Vectors.Hex(entry.Encode()));
        }

        return entries.ToString();
    }

    /// <summary>
    /// A leader knows everybody, a follower its leader and itself; everything is applied, so nobody
    /// lags.
    /// </summary>
    private static void ExpectPeers(Member<Adder> member)
    {
        bool leads = member.Node.Leader();
        NodeState inside = member.Node.Inside();
        IReadOnlyList<Peer> peers = member.Node.Peers();
        peers.Count.ShouldBe(3);
        peers.ShouldAllBe(peer => peer.Lag == 0);
        foreach (Peer peer in peers)
        {
            bool known = leads || peer.Id == member.Id || peer.Id == member.Node.GroupLeader();
            peer.Current.ShouldBe(known, $"{peer.Id} as seen by {member.Id}");
            if (peer.Id == member.Id)
            {
                inside.Peers[peer.Id].Li.ShouldBe(0UL);
            }
            else
            {
                (inside.Peers[peer.Id].Li != 0).ShouldBe(leads);
                peer.Last.HasValue.ShouldBe(known, $"{peer.Id} as seen by {member.Id}");
            }
        }
    }

    private static AppendEntry HearAppendEntry(TestGroup<Adder> group)
    {
        using LoopbackTap spy = group.Tap(group.AppendEntrySubject);
        RaftMessage[] heard = [];
        group.Until(() => (heard = spy.Take()).Length > 0, "an append entry", OneSecond);
        return AppendEntry.Decode(heard[0].Payload);
    }
}
