using System.Diagnostics.Metrics;
using ZB.MOM.NatsNet.Server.Native;
using Pick = System.Func<ZB.MOM.NatsNet.Server.Native.NrgMetrics.Unmanaged, ulong>;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// The instruments of a runtime. They are observed: a collection reads the engine's counters once,
/// whatever the number of instruments. The meter is the runtime's own, also where a factory gives
/// its scope: those that a factory makes live as long as the factory, and are one for one name.
/// </summary>
internal sealed class RaftMeter : IDisposable
{
    // From a cache that answers at once to a disk that is in trouble.
    private static readonly double[] SyncBounds =
        [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 1];

    private static int _runtimes;

    private readonly Meter _meter;
    private readonly RaftRuntime _runtime;
    private readonly Histogram<double> _syncDuration;
    private readonly Lock _gate = new();
    private NrgMetrics.Unmanaged _read;
    private uint _seen = uint.MaxValue;
    private int _instruments;

    internal RaftMeter(IMeterFactory? factory, RaftRuntime runtime)
    {
        _runtime = runtime;
        _meter = new Meter(new MeterOptions(RaftLog.Category)
        {
            // Tells the runtimes of a process apart.
            Tags = [new("nrg.runtime", Interlocked.Increment(ref _runtimes))],
            Scope = factory,
        });
        Gauge("nrg.groups", "{group}", "groups hosted", static m => m.groups);
        Gauge("nrg.leaders", "{group}", "groups led here", static m => m.leaders);
        Gauge("nrg.apply.lag", "{index}", "committed, not yet handed to an application", Lag);
        Count("nrg.commits", "{index}", "log indexes committed", static m => m.commits);
        Count("nrg.applied", "{item}", "items handed to applications", static m => m.applied);
        Count("nrg.syncs", "{sync}", "syncs of a store", static m => m.syncs);
        Count("nrg.leader.changes", "{change}", "lead changes", static m => m.leader_changes);
        Count("nrg.messages.sent", "{message}", "messages sent", static m => m.messages_sent);
        Count("nrg.messages.malformed", "{message}", "bad ones", static m => m.messages_malformed);
        Count("nrg.messages.lost", "{message}", "lost by a host's transport", Undelivered);
        Count("nrg.poll.wakes", "{wake}", "times the pump was woken", static m => m.poll_wakes);
        Count("nrg.log.dropped", "{record}", "records lost", Lost);
        Count("nrg.proposals.dropped", "{proposal}", "taken, not appended", Dropped);
        int refused = _instruments++;
        _meter.CreateObservableCounter(
            "nrg.proposals.refused",
            () => ByReason(Read(refused)),
            "{proposal}",
            "proposals refused, a batch as one");
        _syncDuration = _meter.CreateHistogram<double>(
            "nrg.sync.duration",
            "s",
            "how long the syncs of a store took",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = SyncBounds });
    }

    public void Dispose() => _meter.Dispose();

    /// <summary>
    /// Takes over how long single syncs took. When many wait, and with every collection.
    /// </summary>
    internal void RecordSyncTimes()
    {
        const int Room = 256;
        Span<ulong> times = stackalloc ulong[Room];
        for (int count = Room; count == Room;)
        {
            count = _runtime.TakeSyncTimes(times);
            foreach (ulong nanos in times[..count])
            {
                _syncDuration.Record(nanos / 1e9);
            }
        }
    }

    private static IEnumerable<Measurement<long>> ByReason(NrgMetrics.Unmanaged read)
    {
        static Measurement<long> Of(string reason, ulong count)
            => new((long)count, new KeyValuePair<string, object?>("reason", reason));
        yield return Of("not_leader", read.proposals_not_leader);
        yield return Of("backlog", read.proposals_backlog);
        yield return Of("unfit", read.proposals_unfit);
        yield return Of("closed", read.proposals_closed);
    }

    private static ulong Dropped(NrgMetrics.Unmanaged read) => read.proposals_dropped;

    // Taken items include markers between the indexes, so this is about right, never negative.
    private static ulong Lag(NrgMetrics.Unmanaged read)
        => read.commits - Math.Min(read.applied, read.commits);

    // By the engine, whose queue was full, and by the host's logger, which has thrown.
    private ulong Lost(NrgMetrics.Unmanaged read)
        => read.log_records_dropped + (ulong)_runtime.LogRecordsLost;

    // By a transport that has thrown, and in front of a node that nobody hears for.
    private ulong Undelivered(NrgMetrics.Unmanaged read) => (ulong)_runtime.MessagesLost;

    private void Gauge(string name, string unit, string what, Pick pick)
    {
        int instrument = _instruments++;
        _meter.CreateObservableGauge(name, () => (long)pick(Read(instrument)), unit, what);
    }

    private void Count(string name, string unit, string what, Pick pick)
    {
        int instrument = _instruments++;
        _meter.CreateObservableCounter(name, () => (long)pick(Read(instrument)), unit, what);
    }

    private NrgMetrics.Unmanaged Read(int instrument)
    {
        lock (_gate)
        {
            Refresh(instrument);
            return _read;
        }
    }

    // An instrument that was read already belongs to the next collection.
    private void Refresh(int instrument)
    {
        uint bit = 1u << instrument;
        if ((_seen & bit) != 0)
        {
            if (_runtime.TryReadMetrics(out NrgMetrics.Unmanaged read))
            {
                _read = read;
            }

            RecordSyncTimes();
            _seen = 0;
        }

        _seen |= bit;
    }
}
