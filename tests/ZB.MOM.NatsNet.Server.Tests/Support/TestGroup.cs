using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>What carries the messages of a test group.</summary>
public enum GroupTransport
{
    /// <summary>The engine's own in-process network, which can be listened to.</summary>
    Loopback,

    /// <summary>The host, over an in-process bus.</summary>
    Host,
}

/// <summary>One member of a test group, with what it has built from the log.</summary>
internal sealed class Member<TState>(RaftConfig config, TState state, Raft node)
    where TState : IStateMachine
{
    internal string Id => Config.PeerId;

    internal RaftConfig Config { get; } = config;

    internal TState State { get; } = state;

    /// <summary>The running node; another one after a restart.</summary>
    internal Raft Node { get; set; } = node;

    internal bool Stopped { get; set; }

    /// <summary>A frozen node answers nothing, not even what it knows.</summary>
    internal bool Frozen { get; set; }

    /// <summary>
    /// The newest unread notice of leadership, as the server's channel of one holds it.
    /// </summary>
    internal LeadChange? LeadChange { get; set; }

    internal LeadChange? TakeLeadChange()
    {
        LeadChange? change = LeadChange;
        LeadChange = null;
        return change;
    }
}

/// <summary>
/// A live group in one runtime, on an in-process network or a bus of the host. Nobody but the test
/// moves time, and the test's thread applies what is committed, so a run does not depend on the
/// machine's speed.
/// </summary>
internal sealed class TestGroup<TState> : IDisposable
    where TState : IStateMachine
{
    /// <summary>How much time passes between two looks at a condition.</summary>
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    private readonly TestFolder _folder = new();
    private readonly RaftRuntime _runtime;
    private readonly RaftLogKind _log;
    private readonly GroupTransport _transport;
    private readonly Func<string, TState> _state;
    private readonly List<Member<TState>> _members = [];

    internal TestGroup(
        int size,
        RaftLogKind log,
        Func<string, TState> state,
        string name = "TEST",
        RaftTiming? timing = null,
        GroupTransport transport = GroupTransport.Loopback)
    {
        Name = name;
        _log = log;
        _transport = transport;
        _state = state;
        _runtime = new RaftRuntime(new RaftRuntimeOptions
        {
            Timing = timing ?? TestTiming.Reference,
            Seed = 1,
            ManualClock = true,
        });
        if (transport == GroupTransport.Host)
        {
            _runtime.SetRoutingReady(true);
        }

        string[] ids = [.. Enumerable.Range(1, size).Select(Ids.OfMember)];
        foreach (string id in ids)
        {
            Open(id, ids);
        }

        _members[0].Node.CampaignImmediately();
    }

    internal string Name { get; }

    internal RaftRuntime Runtime => _runtime;

    internal LoopbackNetwork Network { get; } = new();

    internal InProcessRaftBus Bus { get; } = new();

    internal IReadOnlyList<Member<TState>> Members => _members;

    /// <summary>
    /// Those that neither the test has stopped nor their own removal from the group.
    /// </summary>
    internal IEnumerable<Member<TState>> Running
        => _members.Where(member => !member.Stopped && member.Node.State() != RaftState.Closed);

    private IEnumerable<Member<TState>> Awake => Running.Where(member => !member.Frozen);

    internal string AppendEntrySubject => $"$NRG.AE.{Name}";

    internal string VoteSubject => $"$NRG.V.{Name}";

    internal string ProposalSubject => $"$NRG.P.{Name}";

    /// <summary>The first member that leads and has worked through its first entry.</summary>
    internal Member<TState>? Leader => Awake.FirstOrDefault(member => member.Node.Leader());

    public void Dispose()
    {
        Unfreeze([.. _members.Where(member => member.Frozen && !member.Stopped)]);
        foreach (Member<TState> member in _members)
        {
            member.Node.Dispose();
        }

        LiveObjects.OfRuntimeShouldBeNone(_runtime.Handle);
        _runtime.Dispose();
        Network.Dispose();
        _folder.Dispose();
    }

    /// <summary>Moves time and applies what was committed meanwhile.</summary>
    internal void Advance(TimeSpan by)
    {
        for (TimeSpan moved = TimeSpan.Zero; moved < by; moved += Step)
        {
            Drain();
            MoveTime();
        }

        Drain();
    }

    /// <summary>Moves time until a condition holds.</summary>
    /// <param name="condition">The condition.</param>
    /// <param name="what">The wait in words, for the failure.</param>
    /// <param name="within">How long it may take, in the group's time; 10 s when not given.</param>
    internal void Until(Func<bool> condition, string what, TimeSpan? within = null)
    {
        TimeSpan limit = within ?? TimeSpan.FromSeconds(10);
        for (TimeSpan moved = TimeSpan.Zero; moved < limit; moved += Step)
        {
            Drain();
            if (condition())
            {
                return;
            }

            MoveTime();
        }

        Drain();
        condition().ShouldBeTrue($"{what}, within {limit.TotalSeconds} s\n{Describe()}");
    }

    internal Member<TState> WaitOnLeader()
    {
        Until(() => Leader is not null, "a leader");
        return Leader!;
    }

    internal IReadOnlyList<Member<TState>> NonLeaders()
        => [.. Awake.Where(member => !member.Node.Leader())];

    internal void Freeze(IEnumerable<Member<TState>> members)
    {
        foreach (Member<TState> member in members)
        {
            _members.ShouldContain(member);
            member.Node.Freeze();
            member.Frozen = true;
        }
    }

    internal void Unfreeze(IEnumerable<Member<TState>> members)
    {
        foreach (Member<TState> member in members)
        {
            _members.ShouldContain(member);
            member.Node.Unfreeze();
            member.Frozen = false;
        }
    }

    /// <summary>
    /// Starts a member on a server that is new to the cluster; it knows the ids of all servers, and
    /// the group knows nothing of it.
    /// </summary>
    internal Member<TState> Add()
    {
        string[] ids = [.. Enumerable.Range(1, _members.Count + 1).Select(Ids.OfMember)];
        return Open(ids[^1], ids);
    }

    internal void Stop(Member<TState> member)
    {
        _members.ShouldContain(member);
        member.Node.Stop();
        member.Node.WaitForStop();
        member.Node.Dispose();
        member.Stopped = true;
    }

    /// <summary>Starts a stopped member from its directory; a memory log begins empty.</summary>
    internal void Restart(Member<TState> member)
    {
        member.Stopped.ShouldBeTrue("only a stopped member can be restarted");
        member.State.Restart();
        member.LeadChange = null;
        member.Node = Open(member.Config);
        member.Stopped = false;
    }

    internal LoopbackTap Tap(string pattern) => new(Network, pattern);

    /// <summary>Sends a message from outside; yields how many listen on its subject.</summary>
    internal int Inject(string subject, ReadOnlySpan<byte> payload, string reply = "")
    {
        NativeMethods.TestInject(Network.Handle, subject, reply, payload, out int receivers)
            .ShouldBe(RaftStatus.Ok);
        return receivers;
    }

    /// <summary>The node's whole status, as monitoring sees it.</summary>
    internal static NrgNodeState.Unmanaged Status(Member<TState> member)
    {
        NativeMethods.NodeStatus(member.Node.Handle, out NrgNodeState.Unmanaged status)
            .ShouldBe(RaftStatus.Ok);
        return status;
    }

    private Member<TState> Open(string id, string[] known)
    {
        var config = new RaftConfig
        {
            PeerId = id,
            Name = Name,
            StoreRoot = Path.Combine(_folder.Path, id),
            Log = _log,
        };
        RaftRuntime.Bootstrap(config, known, allPeersKnown: true);
        var member = new Member<TState>(config, _state(id), Open(config));
        _members.Add(member);
        return member;
    }

    private Raft Open(RaftConfig config)
    {
        if (_transport == GroupTransport.Loopback)
        {
            return _runtime.Open(config, Network);
        }

        _runtime.SetPeerOnline(config.PeerId, online: true);
        return _runtime.Open(config, Bus.Connect(config.PeerId));
    }

    private void MoveTime()
        => ThrowHelper.Check(
            NativeMethods.TestClockAdvance(_runtime.Handle, Step), nameof(Advance));

    /// <summary>Applies whatever is committed, and reads the lead changes.</summary>
    private void Drain()
    {
        foreach (Member<TState> member in Awake)
        {
            while (member.Node.ApplyQ().TryTake() is { } batch)
            {
                using (batch)
                {
                    foreach (CommittedEntry committed in batch)
                    {
                        member.State.Apply(committed);
                        if (committed.Index > 0)
                        {
                            member.Node.Applied(committed.Index);
                        }
                    }
                }
            }

            while (member.Node.LeadChangeC().TryTake(out LeadChange change))
            {
                member.LeadChange = change;
            }
        }
    }

    private string Describe() => string.Join('\n', Awake.Select(member =>
    {
        (ulong index, ulong commit, ulong applied) = member.Node.Progress();
        return $"{member.Id}: {member.Node.State()} term {member.Node.Term()} leader "
            + $"'{member.Node.GroupLeader()}' index {index} commit {commit} applied {applied}";
    }));
}

/// <summary>The group of the server's harness: members that add.</summary>
internal static class AdderGroup
{
    internal static TestGroup<Adder> Create(
        int size,
        RaftLogKind log,
        string name = "TEST",
        RaftTiming? timing = null,
        GroupTransport transport = GroupTransport.Loopback)
        => new(size, log, _ => new Adder(), name, timing, transport);

    /// <summary>
    /// Proposes a delta on any member: the leader takes it, another one forwards it.
    /// </summary>
    internal static void Propose(this Member<Adder> member, long delta)
        => member.Node.ForwardProposal(Adder.Encode(delta));

    /// <summary>Installs the member's sum as its snapshot.</summary>
    internal static void Snapshot(this Member<Adder> member)
        => member.Node.InstallSnapshot(Adder.Encode(member.State.Sum), force: false);

    /// <summary>Waits until every running member has a sum.</summary>
    internal static void WaitOnTotal(this TestGroup<Adder> group, long total)
        => group.Until(
            () => group.Running.All(member => member.State.Sum == total),
            $"a total of {total} everywhere",
            TimeSpan.FromSeconds(5));

    /// <summary>A random member, by the test's own seeded generator.</summary>
    internal static Member<Adder> RandomMember(this TestGroup<Adder> group, Random random)
        => group.Members[random.Next(group.Members.Count)];
}
