using System.Diagnostics.Metrics;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// The instruments of a runtime. They are observed: a collection reads the engine's counters once,
/// whatever the number of instruments.
/// </summary>
internal sealed class RaftMeter : IDisposable
{
    private readonly Meter _meter;
    private readonly bool _owned;
    private readonly RaftRuntime _runtime;
    private readonly Counter<long> _refused;
    private readonly Lock _gate = new();
    private NrgMetrics.Unmanaged _read;
    private uint _seen = uint.MaxValue;

    internal RaftMeter(IMeterFactory? factory, RaftRuntime runtime)
    {
        _runtime = runtime;
        _owned = factory is null;
        _meter = factory?.Create(new MeterOptions(RaftLog.Category)) ?? new Meter(RaftLog.Category);
        _meter.CreateObservableGauge("nrg.groups", () => Read(0, static m => (long)m.groups), "{group}", "groups hosted");
        _meter.CreateObservableGauge("nrg.leaders", () => Read(1, static m => (long)m.leaders), "{group}", "groups led here");
        _meter.CreateObservableCounter("nrg.commits", () => Read(2, static m => (long)m.commits), "{index}", "log indexes committed");
        _meter.CreateObservableCounter("nrg.applied", () => Read(3, static m => (long)m.applied), "{item}", "items of the apply queues handed to applications");
        _meter.CreateObservableGauge("nrg.apply.lag", () => Read(4, static m => (long)(m.commits - Math.Min(m.applied, m.commits))), "{index}", "committed and not yet handed to an application, about");
        _meter.CreateObservableCounter("nrg.syncs", () => Read(5, static m => (long)m.syncs), "{sync}", "syncs of a store");
        _meter.CreateObservableCounter("nrg.sync.seconds", () => ReadSeconds(6), "s", "time spent in syncs");
        _meter.CreateObservableCounter("nrg.leader.changes", () => Read(7, static m => (long)m.leader_changes), "{change}", "changes of leadership seen");
        _meter.CreateObservableCounter("nrg.messages.sent", () => Read(8, static m => (long)m.messages_sent), "{message}", "messages given to a transport");
        _meter.CreateObservableCounter("nrg.poll.wakes", () => Read(9, static m => (long)m.poll_wakes), "{wake}", "times the pump was woken");
        _meter.CreateObservableCounter("nrg.log.dropped", () => Read(10, static m => (long)m.log_records_dropped), "{record}", "log records lost because nobody read them");
        _meter.CreateObservableCounter("nrg.messages.malformed", () => Read(11, static m => (long)m.messages_malformed), "{message}", "received messages that could not be decoded");
        _refused = _meter.CreateCounter<long>("nrg.proposals.refused", "{proposal}", "proposals refused, by status");
    }

    public void Dispose()
    {
        // A factory disposes what it made.
        if (_owned)
        {
            _meter.Dispose();
        }
    }

    internal void Refused(RaftStatus status)
    {
        if (_refused.Enabled)
        {
            _refused.Add(1, new KeyValuePair<string, object?>("status", status.ToString()));
        }
    }

    private long Read(int instrument, Func<NrgMetrics.Unmanaged, long> pick)
    {
        lock (_gate)
        {
            Refresh(instrument);
            return pick(_read);
        }
    }

    private double ReadSeconds(int instrument)
    {
        lock (_gate)
        {
            Refresh(instrument);
            return _read.sync_nanos / 1e9;
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

            _seen = 0;
        }

        _seen |= bit;
    }
}
