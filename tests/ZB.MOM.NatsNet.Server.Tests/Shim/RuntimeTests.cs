using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using NSubstitute;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>The runtime as its host sees it: the pump, the log, the instruments.</summary>
public class RuntimeTests
{
    [RaftFact]
    public async Task Dispose_OnItsOwnPump_IsRefusedAndWorksElsewhere()
    {
        using var folder = new TestFolder();
        var runtime = new RaftRuntime(new RaftRuntimeOptions { ManualClock = true });
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };
        RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
        var outcome = new TaskCompletionSource<(string? Thread, Exception? Failure)>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        IRaftTransport transport = Substitute.For<IRaftTransport>();
        transport.ChooseAccount(default!).ReturnsForAnyArgs(RaftTrafficAccount.System);
        transport.When(it => it.Subscribe(Arg.Any<RaftSubscription>())).Do(
            _ => outcome.TrySetResult(
                (Thread.CurrentThread.Name, Record.Exception(runtime.Dispose))));

        Raft node = runtime.Open(config, transport);
        (string? thread, Exception? failure) = await outcome.Task
            .WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        thread.ShouldBe("nrg-pump");
        failure.ShouldBeOfType<InvalidOperationException>();
        await node.DisposeAsync();
        await runtime.DisposeAsync();
        runtime.Dispose();
    }

    [RaftFact]
    public void Open_AfterDispose_ThrowsObjectDisposed()
    {
        using var folder = new TestFolder();
        using var network = new LoopbackNetwork();
        var runtime = new RaftRuntime(new RaftRuntimeOptions { ManualClock = true });
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };
        RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
        runtime.Dispose();

        Should.Throw<ObjectDisposedException>(() => runtime.Open(config, network));
        Should.Throw<ObjectDisposedException>(() => runtime.SetTiming(new RaftTiming()));
    }

    [RaftFact]
    public void TwoRuntimes_OnOneNetwork_MakeOneGroup()
    {
        using var folder = new TestFolder();
        using var network = new LoopbackNetwork();
        using var first = new RaftRuntime(new RaftRuntimeOptions { Timing = RaftTiming.Fast });
        using var second = new RaftRuntime(new RaftRuntimeOptions { Timing = RaftTiming.Fast });
        Raft[] nodes = [Open(first, Ids.Self), Open(second, Ids.S2)];
        try
        {
            // On the machine's clock: the two have nothing in common but the network.
            SpinWait.SpinUntil(() => nodes.Any(LeadsAfterApplying), TimeSpan.FromSeconds(20))
                .ShouldBeTrue();
            nodes.Select(node => node.Term()).Distinct().ShouldHaveSingleItem();
        }
        finally
        {
            Array.ForEach(nodes, node => node.Dispose());
        }

        Raft Open(RaftRuntime runtime, string id)
        {
            var config = new RaftConfig
            {
                PeerId = id,
                Name = "TEST",
                StoreRoot = Path.Combine(folder.Path, id),
            };
            RaftRuntime.Bootstrap(config, [Ids.Self, Ids.S2], allPeersKnown: true);
            return runtime.Open(config, network);
        }

        static bool LeadsAfterApplying(Raft node)
        {
            using ApplyBatch? batch = node.ApplyQ().TryTake();
            if (batch is { LastIndex: > 0 })
            {
                node.Applied(batch.LastIndex);
            }

            return node.Leader();
        }
    }

    [RaftFact]
    public void TheLogger_GetsTheEnginesRecordsWithTheirGroup()
    {
        using var log = new CapturedLog();
        using (var folder = new TestFolder())
        using (var network = new LoopbackNetwork())
        using (var runtime = new RaftRuntime(
            new RaftRuntimeOptions { LoggerFactory = log, ManualClock = true }))
        {
            var config =
                new RaftConfig { PeerId = Ids.Self, Name = "LOGGED", StoreRoot = folder.Path };
            RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
            using Raft node = runtime.Open(config, network);
            node.CampaignImmediately();
            for (int step = 0; step < 100 && node.State() != RaftState.Leader; step++)
            {
                Native.NativeMethods.TestClockAdvance(runtime.Handle, TimeSpan.FromMilliseconds(10))
                    .ShouldBe(RaftStatus.Ok);
            }

            node.State().ShouldBe(RaftState.Leader);
        }

        log.Lines.Select(line => line.Category).Distinct().ShouldBe(["ZB.MOM.NatsNet.Raft"]);
        log.Lines.ShouldContain(line => line.Text.StartsWith("started ", StringComparison.Ordinal));
        log.Lines.ShouldContain(
            line => line.Text.StartsWith("[LOGGED, term ", StringComparison.Ordinal));
    }

    [RaftFact]
    public void TheMeter_CountsWhatTheEngineDoes()
    {
        var measured = new Dictionary<string, double>();
        var syncs = new List<double>();
        using var listener = new MeterListener();
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.File);
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Name == "ZB.MOM.NatsNet.Raft")
            {
                it.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>(
            (instrument, value, tags, _) => Add(instrument.Name, value, tags));
        listener.SetMeasurementEventCallback<double>(
            (instrument, value, tags, _) => Add(instrument.Name, value, tags));
        listener.Start();
        Member<Adder> member = group.WaitOnLeader();
        member.Propose(1);
        group.WaitOnTotal(1);
        member.Node.TryPropose(99, new byte[1]).ShouldBe(RaftStatus.NotLeader);

        // The engine adds up at the end of a turn.
        SpinWait.SpinUntil(
            () =>
            {
                measured.Clear();
                listener.RecordObservableInstruments();
                return measured["nrg.proposals.refused not_leader"] >= 1;
            },
            TimeSpan.FromSeconds(10)).ShouldBeTrue();

        // At least: suites beside this one have runtimes of their own.
        measured["nrg.groups"].ShouldBeGreaterThanOrEqualTo(1);
        measured["nrg.leaders"].ShouldBeGreaterThanOrEqualTo(1);
        measured["nrg.commits"].ShouldBeGreaterThanOrEqualTo(2);
        measured["nrg.leader.changes"].ShouldBeGreaterThanOrEqualTo(1);
        measured.ShouldContainKey("nrg.proposals.refused backlog");
        measured.ShouldContainKey("nrg.proposals.dropped");
        syncs.ShouldAllBe(seconds => seconds > 0);
        syncs.Count.ShouldBeGreaterThanOrEqualTo(2);

        void Add(
            string name, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (measured)
            {
                if (name == "nrg.sync.duration")
                {
                    syncs.Add(value);
                }

                string key = tags.IsEmpty ? name : $"{name} {tags[0].Value}";
                measured[key] = measured.GetValueOrDefault(key) + value;
            }
        }
    }

    [RaftFact]
    public void LastProblem_IsTheNewestWarning_AlsoOfAStoppedNode()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);
        Raft node = group.WaitOnLeader().Node;
        node.LastProblem().ShouldBeNull();

        node.SetWriteErr("a test says so");
        node.WaitForStop();

        RaftProblem problem = node.LastProblem().ShouldNotBeNull();
        problem.Level.ShouldBe(LogLevel.Error);
        problem.Text.ShouldContain("a test says so");
        problem.Term.ShouldBe(node.Term());
    }

    /// <summary>Keeps what is logged.</summary>
    private sealed class CapturedLog : ILoggerFactory
    {
        private readonly ConcurrentQueue<(string Category, string Text)> _lines = new();

        internal IReadOnlyCollection<(string Category, string Text)> Lines => _lines;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => new Logger(categoryName, _lines);

        public void Dispose()
        {
        }

        private sealed class Logger(
            string category, ConcurrentQueue<(string Category, string Text)> lines)
            : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull
                => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(
                LogLevel logLevel,
                EventId eventId,
                TState state,
                Exception? exception,
                Func<TState, Exception?, string> formatter)
                => lines.Enqueue((category, formatter(state, exception)));
        }
    }
}
