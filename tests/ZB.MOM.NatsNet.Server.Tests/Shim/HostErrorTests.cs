using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>What a host gets wrong neither hangs nor kills, and is told where it can be.</summary>
public class HostErrorTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [RaftFact]
    public void ALoggerThatThrows_LosesItsRecordsAndNothingElse()
    {
        using var host = new Host(new RaftRuntimeOptions
        {
            LoggerFactory = new HostLog(_ => throw new InvalidDataException("the log is full")),
            ManualClock = true,
        });

        host.Lead();

        host.Until(() => host.Runtime.LogRecordsLost > 1, "records of the engine to be lost");
        host.Runtime.Dispose();
        host.Runtime.Handle.IsClosed.ShouldBeTrue();
        host.Node.WaitForStop();
    }

    [RaftFact]
    public void AContinuationThatThrowsOnThePump_EndsEveryNodeAndIsNamedByLaterOpens()
    {
        var lines = new ConcurrentQueue<string>();
        using var host = new Host(new RaftRuntimeOptions
        {
            InlineContinuations = true,
            LoggerFactory = new HostLog(lines.Enqueue),
            ManualClock = true,
        });
        OnThePump(host.Node, () => throw new InvalidDataException("a bug of the host"));

        host.Node.CampaignImmediately();
        host.Until(() => host.Node.QuitC().IsCancellationRequested, "the end of the node");

        host.Until(() => host.Node.State() == RaftState.Closed, "the engine's node to close");
        RaftFaultedException refusal =
            Should.Throw<RaftFaultedException>(() => host.Open("LATER").Dispose());
        refusal.InnerException.ShouldBeOfType<InvalidDataException>();
        refusal.Message.ShouldContain("a bug of the host");
        (refusal.Status, refusal.Group).ShouldBe((RaftStatus.Faulted, "LATER"));
        lines.ShouldContain(line => line.StartsWith("the pump failed", StringComparison.Ordinal));
        host.Runtime.Dispose();
        host.Runtime.Handle.IsClosed.ShouldBeTrue();
    }

    [RaftFact]
    public async Task WaitForStop_OnThePump_IsRefused()
    {
        using var host = new Host(
            new RaftRuntimeOptions { InlineContinuations = true, ManualClock = true });
        var outcome = new TaskCompletionSource<(string? Thread, Exception? Failure)>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        OnThePump(
            host.Node,
            () => outcome.SetResult(
                (Thread.CurrentThread.Name, Record.Exception(host.Node.WaitForStop))));

        host.Lead();

        (string? thread, Exception? failure) = await outcome.Task
            .WaitAsync(Patience, TestContext.Current.CancellationToken);
        thread.ShouldBe("nrg-pump");
        failure.ShouldBeOfType<InvalidOperationException>();
    }

    [RaftFact]
    public void ACallbackOfQuitCThatThrows_IsLogged()
    {
        var lines = new ConcurrentQueue<string>();
        using var host = new Host(new RaftRuntimeOptions
        {
            LoggerFactory = new HostLog(lines.Enqueue),
            ManualClock = true,
        });
        using CancellationTokenRegistration callback = host.Node.QuitC()
            .Register(() => throw new InvalidDataException("a bug of the host"));

        host.Node.Dispose();

        const string Line = "a callback on the end of node esFhDys3 of group TEST has thrown";
        SpinWait.SpinUntil(() => lines.Contains(Line), Patience)
            .ShouldBeTrue(string.Join('\n', lines));
    }

    [RaftFact]
    public async Task AFrozenNode_IsStoppedByItsDisposalAndByThatOfItsRuntime()
    {
        using var host = new Host(new RaftRuntimeOptions { ManualClock = true });
        using Raft other = host.Open("OTHER");
        host.Network.Freeze(host.Node);
        host.Network.Freeze(other);

        await host.Node.DisposeAsync().AsTask()
            .WaitAsync(Patience, TestContext.Current.CancellationToken);
        long start = Stopwatch.GetTimestamp();
        host.Runtime.Dispose();

        Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromSeconds(9));
        other.WaitForStop();
    }

    [RaftFact]
    public void Calls_RightAfterDispose_AreRefusedBeforeTheNodeHasEnded()
    {
        // The pump is held up: it cannot tell of the end.
        using var reached = new ManualResetEventSlim();
        using var released = new ManualResetEventSlim();
        using var host = new Host(
            new RaftRuntimeOptions { InlineContinuations = true, ManualClock = true });
        OnThePump(
            host.Node,
            () =>
            {
                reached.Set();
                released.Wait(Patience);
            });
        host.Lead();
        reached.Wait(Patience, TestContext.Current.CancellationToken).ShouldBeTrue();

        host.Node.Dispose();

        Should.Throw<ObjectDisposedException>(() => host.Node.Term());
        Should.Throw<ObjectDisposedException>(() => host.Node.TryPropose(1, new byte[1]));
        Should.Throw<ObjectDisposedException>(() => host.Node.GetWriteErr());
        host.Node.ApplyQ().TryTake().ShouldBeNull();
        host.Node.LeadChangeC().TryTake(out _).ShouldBeFalse();
        host.Node.Stopped.IsCompleted.ShouldBeFalse();
        released.Set();
        host.Node.WaitForStop();
    }

    [RaftFact]
    public void TwoRuntimesOfOneMeterFactory_AreToldApartAndForgottenOneByOne()
    {
        using var factory = new MeterFactory();
        using var first = new Host(
            new RaftRuntimeOptions { MeterFactory = factory, ManualClock = true });
        using var second = new Host(
            new RaftRuntimeOptions { MeterFactory = factory, ManualClock = true });
        var groups = new List<(object? Runtime, long Groups)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Scope == factory && instrument.Name == "nrg.groups")
            {
                it.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => groups.Add(
            (instrument.Meter.Tags.ShouldNotBeNull().ShouldHaveSingleItem().Value, value)));
        listener.Start();

        listener.RecordObservableInstruments();
        groups.Select(read => read.Groups).ShouldBe([1L, 1L]);
        groups.Select(read => read.Runtime).Distinct().Count().ShouldBe(2);

        object? gone = groups[0].Runtime;
        groups.Clear();
        first.Runtime.Dispose();
        listener.RecordObservableInstruments();
        groups.ShouldHaveSingleItem().Runtime.ShouldNotBe(gone);
        first.Runtime.TryReadMetrics(out _).ShouldBeFalse();
    }

    [RaftFact]
    public void ArgumentsThatAreNone_AreRefusedByTheirNames()
    {
        using var host = new Host(new RaftRuntimeOptions { ManualClock = true });

        Should.Throw<ArgumentNullException>(() => host.Node.StepDown([null!]))
            .ParamName.ShouldBe("preferred");
        Should.Throw<ArgumentNullException>(() => host.Node.LastHeardFromPeer(null!))
            .ParamName.ShouldBe("peer");
        Should.Throw<ArgumentNullException>(() => host.Network.Heal(null!));
        Should.Throw<ArgumentException>(
            () => RuntimeConfigs.From(new RaftRuntimeOptions { PollSpin = TimeSpan.MaxValue }))
            .ParamName.ShouldBe("options.PollSpin");
        Should.Throw<ArgumentException>(
            () => host.Runtime.SetTiming(new RaftTiming { ObserverInterval = TimeSpan.MaxValue }))
            .ParamName.ShouldBe("timing.ObserverInterval");
    }

    [RaftFact]
    public void APollSpinOfZero_IsNotTheEnginesDefault()
        => RuntimeConfigs.From(new RaftRuntimeOptions { PollSpin = TimeSpan.Zero })
            .poll_spin_ns.ShouldBe(1UL);

    [RaftFact]
    public void AStatusWithoutText_DoesNotShowTheTextOfAnOlderFailure()
    {
        using var folder = new TestFolder();
        var config =
            new RaftConfig { PeerId = Ids.Self, Name = "a space", StoreRoot = folder.Path };
        Should.Throw<ArgumentException>(
            () => RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true));
        string old = NativeMethods.LastError();
        old.ShouldNotBeEmpty();

        ThrowHelper.Make(RaftStatus.BufferTooSmall, "Peers", "TEST").Message
            .ShouldNotContain(old);
    }

    [RaftFact(Processes = true)]
    public void ALibraryNamedInVain_IsNotReplacedByTheOneBesideTheProgram()
    {
        using var folder = new TestFolder();
        string input = Path.Combine(folder.Path, "input.txt");
        File.WriteAllText(input, "a line\n");
        string named = Path.Combine(folder.Path, "named-by-the-variable.so");

        using var sample = Sample.Start(
            Path.Combine(Sample.Folder, "ThreeNodes.dll"),
            [input, "--data", Path.Combine(folder.Path, "data")],
            new Dictionary<string, string> { ["NATSRAFT_LIBRARY"] = named });
        (int code, string errors) = sample.End();

        code.ShouldBe(1);
        errors.ShouldContain($"{named} (no file)");
    }

    /// <summary>Runs an action at the next change of lead; no task stands around it.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "consumed once, by its awaiter")]
    private static void OnThePump(Raft node, Action action)
        => node.LeadChangeC().WaitAsync(CancellationToken.None).GetAwaiter()
            .UnsafeOnCompleted(action);

    /// <summary>A runtime with a group of one.</summary>
    private sealed class Host : IDisposable
    {
        private readonly TestFolder _folder = new();

        internal Host(RaftRuntimeOptions options)
        {
            Runtime = new RaftRuntime(options);
            Node = Open("TEST");
        }

        internal RaftRuntime Runtime { get; }

        internal LoopbackNetwork Network { get; } = new();

        internal Raft Node { get; }

        public void Dispose()
        {
            Runtime.Dispose();
            Node.Dispose();
            Network.Dispose();
            _folder.Dispose();
        }

        internal Raft Open(string group)
        {
            var config =
                new RaftConfig { PeerId = Ids.Self, Name = group, StoreRoot = _folder.Path };
            RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true);
            return Runtime.Open(config, Network);
        }

        internal void Lead()
        {
            Node.CampaignImmediately();
            Until(() => Node.Leader(), "the lead");
        }

        /// <summary>Applies, without which no lead is announced, and moves time.</summary>
        internal void Until(Func<bool> condition, string what)
        {
            long start = Stopwatch.GetTimestamp();
            while (!condition())
            {
                Stopwatch.GetElapsedTime(start).ShouldBeLessThan(Patience, what);
                using (ApplyBatch? batch = Node.ApplyQ().TryTake())
                {
                    if (batch is { LastIndex: > 0 })
                    {
                        Node.Applied(batch.LastIndex);
                    }
                }

                // An engine that is being shut down has no time any more.
                NativeMethods.TestClockAdvance(Runtime.Handle, TimeSpan.FromMilliseconds(1))
                    .ShouldBeOneOf(RaftStatus.Ok, RaftStatus.Busy);
            }
        }
    }

    /// <summary>Gives each line to a function.</summary>
    private sealed class HostLog(Action<string> write) : ILoggerFactory, ILogger
    {
        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

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
            => write(formatter(state, exception));
    }

    private sealed class MeterFactory : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options);

        public void Dispose()
        {
        }
    }
}
