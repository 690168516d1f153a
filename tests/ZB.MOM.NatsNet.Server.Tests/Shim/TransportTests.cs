using NSubstitute;
using NSubstitute.ExceptionExtensions;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>What is asked of a host's transport, and what is made of its failures.</summary>
public class TransportTests
{
    private static readonly RaftTrafficAccount Own = new("ORDERS", IsSystem: false);

    [RaftFact]
    public void Open_ResetsTheTransportThenSubscribesThenPublishes()
    {
        using var node = new NodeOnAMock();

        node.Elect();
        node.Settle();

        var names = node.Transport.ReceivedCalls().Select(call => call.GetMethodInfo().Name)
            .Where(name => name != nameof(IRaftTransport.ChooseAccount)).ToList();
        names[0].ShouldBe(nameof(IRaftTransport.Reset));
        names.Skip(1).Take(4).ShouldAllBe(name => name == nameof(IRaftTransport.Subscribe));
        names.ShouldContain(nameof(IRaftTransport.Publish));
        node.Transport.Received(1).Reset(RaftTrafficAccount.System);
        node.Subjects().ShouldContain("$NRG.AE.TEST");
        node.Subjects().ShouldContain("$NRG.V.TEST");
        node.Subjects().Count(subject => subject.StartsWith("$NRG.R.", StringComparison.Ordinal))
            .ShouldBe(2);
        node.Transport.Received().Publish(
            "$NRG.AE.TEST", Arg.Is<string>(reply => reply.Length > 0), AnyPayload());
    }

    [RaftFact]
    public void Dispose_ClosesTheTransportOnceAndLast()
    {
        var node = new NodeOnAMock();
        node.Elect();

        node.Dispose();

        node.Transport.Received(1).Close();
        node.Transport.ReceivedCalls().Last().GetMethodInfo().Name
            .ShouldBe(nameof(IRaftTransport.Close));
    }

    [RaftFact]
    public void Open_ThatFails_ClosesTheTransport()
    {
        using var folder = new TestFolder();
        using var runtime = new RaftRuntime();
        IRaftTransport transport = NodeOnAMock.Mock();
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };

        Should.Throw<RaftStorageException>(() => runtime.Open(config, transport))
            .Status.ShouldBe(RaftStatus.NoPeerState);

        transport.Received(1).Close();
    }

    [RaftFact]
    public void Publish_ThatThrows_LosesTheMessageAndNothingElse()
    {
        using var node = new NodeOnAMock();
        node.Transport
            .When(transport => transport.Publish(
                Arg.Any<string>(), Arg.Any<string>(), AnyPayload()))
            .Do(_ => throw new InvalidOperationException("no wire"));

        node.Elect();
        ulong term = node.Raft.Term();
        node.Raft.Propose(term, new byte[] { 1 });
        node.Settle();

        node.Raft.Progress().Commit.ShouldBeGreaterThanOrEqualTo(2UL);
        node.Runtime.MessagesLost.ShouldBeGreaterThan(0);
        node.Raft.GetWriteErr().ShouldBeNull();
    }

    [RaftFact]
    public void Subscribe_ThatThrowsOnAPermanentOne_EndsTheNode()
    {
        using var node = new NodeOnAMock(transport => transport
            .When(it => it.Subscribe(
                Arg.Is<RaftSubscription>(to => to.Subject == "$NRG.AE.TEST")))
            .Do(_ => throw new InvalidOperationException("no such subject")));

        node.Settle();

        node.Raft.GetWriteErr().ShouldNotBeNull().Message.ShouldContain("$NRG.AE.TEST");
        node.Raft.State().ShouldBe(RaftState.Closed);
    }

    [RaftFact]
    public void Subscribe_ThatThrowsOnALeadersOne_EndsTheLeadership()
    {
        using var node = new NodeOnAMock();
        node.Settle();
        node.Transport
            .When(it => it.Subscribe(
                Arg.Is<RaftSubscription>(to => to.Subject == "$NRG.P.TEST")))
            .Do(_ => throw new InvalidOperationException("no such subject"));

        node.Raft.CampaignImmediately();
        node.Advance(TimeSpan.FromSeconds(1));

        node.Raft.State().ShouldNotBe(RaftState.Closed);
        node.Raft.Leader().ShouldBeFalse();
        node.Transport.Received().Subscribe(
            Arg.Is<RaftSubscription>(to => to.Subject == "$NRG.P.TEST"));
    }

    [RaftFact]
    public void Account_ChosenByTheTransport_IsTheNodes()
    {
        using var node = new NodeOnAMock(
            transport => transport.ChooseAccount(default!).ReturnsForAnyArgs(Own));
        node.Settle();

        // A node begins in the system account and is moved before it says anything.
        Received.InOrder(() =>
        {
            node.Transport.Reset(RaftTrafficAccount.System);
            node.Transport.Reset(Own);
        });
        node.Transport.DidNotReceiveWithAnyArgs().Publish(default!, default!, default);
        node.Raft.GetTrafficAccountName().ShouldBe("ORDERS");
        node.Raft.IsSystemAccount().ShouldBeFalse();
    }

    [RaftFact]
    public void RecreateInternalSubs_OnAnotherAccount_SubscribesAnewAndElseDoesNothing()
    {
        using var node = new NodeOnAMock();
        node.Settle();
        (node.Raft.GetTrafficAccountName(), node.Raft.IsSystemAccount()).ShouldBe(("$SYS", true));
        node.Transport.ClearReceivedCalls();

        node.Raft.RecreateInternalSubs();
        node.Settle();
        node.Transport.DidNotReceiveWithAnyArgs().Reset(default!);

        node.Transport.ChooseAccount(default!).ReturnsForAnyArgs(Own);
        node.Raft.RecreateInternalSubs();
        node.Settle();
        node.Transport.Received(1).Reset(Own);
        node.Subjects().Count.ShouldBe(4);
        (node.Raft.GetTrafficAccountName(), node.Raft.IsSystemAccount())
            .ShouldBe(("ORDERS", false));
    }

    [RaftFact]
    public void RecreateInternalSubs_WithATransportThatThrows_TellsItsCaller()
    {
        using var node = new NodeOnAMock();
        node.Transport.ChooseAccount(default!)
            .ThrowsForAnyArgs(new InvalidOperationException("no such account"));

        Should.Throw<InvalidOperationException>(node.Raft.RecreateInternalSubs)
            .Message.ShouldBe("no such account");
    }

    [RaftFact]
    public void Deliver_OfAForeignTerm_ReachesTheNodeAndIsAnswered()
    {
        using var node = new NodeOnAMock();
        node.Settle();
        RaftSubscription votes = node.Subscription("$NRG.V.TEST");

        votes.Deliver("$THERE", new VoteRequest(9, 8, 7, Ids.N0).Encode());
        node.Settle();

        node.Raft.Term().ShouldBe(9UL);
        node.Transport.Received(1).Publish("$THERE", "", AnyPayload());
    }

    [RaftFact]
    public void Deliver_AfterTheEnd_DoesNothing()
    {
        var node = new NodeOnAMock();
        node.Settle();
        RaftSubscription votes = node.Subscription("$NRG.V.TEST");
        byte[] request = new VoteRequest(9, 8, 7, Ids.N0).Encode();
        node.Raft.Stop();
        node.Raft.WaitForStop();
        votes.Deliver("", request);
        node.Dispose();

        votes.Deliver("", request);
    }

    [RaftFact]
    public void Bus_CarriesOnlyWithinAnAccountAndAPartition()
    {
        using TestGroup<Adder> group = AdderGroup.Create(
            3, RaftLogKind.Memory, transport: GroupTransport.Host);
        Member<Adder> old = group.WaitOnLeader();
        old.Propose(1);
        group.WaitOnTotal(1);

        group.Bus.SetPartition(old.Id, 1);
        group.Until(
            () => group.Running.Any(member => member != old && member.Node.Leader()),
            "a leader without the old one");
        group.Bus.Heal(old.Id);
        group.Until(() => !old.Node.Leader(), "the old leader to hear of the new one");
        group.WaitOnLeader().Propose(2);
        group.WaitOnTotal(3);

        // The account changes for one after the other; those left behind hear nothing until then.
        group.Bus.Account = Own;
        foreach (Member<Adder> member in group.Members)
        {
            member.Node.RecreateInternalSubs();
            group.Advance(TimeSpan.FromMilliseconds(20));
        }

        group.Members.ShouldAllBe(member => !member.Node.IsSystemAccount());
        group.WaitOnLeader().Propose(4);
        group.WaitOnTotal(7);
    }

    [RaftFact]
    public void Open_WithoutATransport_IsEnoughForAGroupOfOne()
    {
        using var folder = new TestFolder();
        using var runtime = new RaftRuntime(
            new() { Timing = TestTiming.Reference, ManualClock = true });
        runtime.SetRoutingReady(true);
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };
        RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
        using Raft node = runtime.Open(config, transport: null);

        NativeMethods.TestClockAdvance(runtime.Handle, TimeSpan.FromSeconds(10))
            .ShouldBe(RaftStatus.Ok);

        node.State().ShouldBe(RaftState.Leader);
    }

    private static ReadOnlyMemory<byte> AnyPayload() => Arg.Any<ReadOnlyMemory<byte>>();

    /// <summary>A group of one whose messages a mock carries; the test moves time.</summary>
    private sealed class NodeOnAMock : IDisposable
    {
        private readonly TestFolder _folder = new();

        internal NodeOnAMock(Action<IRaftTransport>? arrange = null)
        {
            arrange?.Invoke(Transport);
            Runtime = new RaftRuntime(new()
            {
                Timing = TestTiming.Reference,
                Seed = 1,
                ManualClock = true,
            });
            Runtime.SetRoutingReady(true);
            var config = new RaftConfig
            {
                PeerId = Ids.Self,
                Name = "TEST",
                StoreRoot = _folder.Path,
                Log = RaftLogKind.Memory,
            };
            RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
            Raft = Runtime.Open(config, Transport);
        }

        internal IRaftTransport Transport { get; } = Mock();

        internal RaftRuntime Runtime { get; }

        internal Raft Raft { get; }

        internal static IRaftTransport Mock()
        {
            IRaftTransport mock = Substitute.For<IRaftTransport>();
            mock.ChooseAccount(default!).ReturnsForAnyArgs(RaftTrafficAccount.System);
            return mock;
        }

        public void Dispose()
        {
            Raft.Dispose();
            Runtime.Dispose();
            _folder.Dispose();
        }

        /// <summary>Lets everything that was said reach the transport.</summary>
        internal void Settle() => Advance(TimeSpan.FromMilliseconds(1));

        internal void Advance(TimeSpan by)
            => NativeMethods.TestClockAdvance(Runtime.Handle, by).ShouldBe(RaftStatus.Ok);

        internal void Elect()
        {
            Raft.CampaignImmediately();
            Advance(TimeSpan.FromSeconds(1));
            Raft.State().ShouldBe(RaftState.Leader);
        }

        /// <summary>The subjects subscribed to since calls were last forgotten.</summary>
        internal IReadOnlyList<string> Subjects() => [.. Added().Select(to => to.Subject)];

        internal RaftSubscription Subscription(string subject)
            => Added().Single(to => to.Subject == subject);

        private IEnumerable<RaftSubscription> Added()
            => Transport.ReceivedCalls()
                .Where(call => call.GetMethodInfo().Name == nameof(IRaftTransport.Subscribe))
                .Select(call => (RaftSubscription)call.GetArguments()[0]!);
    }
}
