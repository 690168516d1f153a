using System.Runtime.CompilerServices;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>A runtime's options and timers as the ABI takes them.</summary>
internal static unsafe class RuntimeConfigs
{
    /// <summary>What fits a signed number of nanoseconds: 292 years.</summary>
    private static readonly TimeSpan Longest
        = TimeSpan.FromTicks(long.MaxValue / TimeSpan.NanosecondsPerTick);

    internal static NrgRuntimeConfig.Unmanaged From(RaftRuntimeOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Shards, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Shards, 64);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.BacklogBytesMax);
        return new NrgRuntimeConfig.Unmanaged
        {
            struct_size = (uint)sizeof(NrgRuntimeConfig.Unmanaged),
            shards = (uint)options.Shards,
            sync_policy = options.SyncPolicy switch
            {
                RaftSyncPolicy.Always => Nrg.NRG_SYNC_ALWAYS,
                RaftSyncPolicy.Interval => Nrg.NRG_SYNC_INTERVAL,
                RaftSyncPolicy.Never => Nrg.NRG_SYNC_NEVER,
                _ => throw new ArgumentOutOfRangeException(
                    nameof(options), options.SyncPolicy, "unknown sync policy"),
            },
            clock = options.ManualClock ? Nrg.NRG_CLOCK_MANUAL : Nrg.NRG_CLOCK_SYSTEM,
            sync_interval_ns = options.SyncPolicy == RaftSyncPolicy.Interval
                ? Nanos(options.SyncInterval)
                : 0,
            seed = options.Seed ?? 0,
            // 0 leaves it to the engine; spinning for a nanosecond never pays, so it does not.
            poll_spin_ns = Math.Max(Nanos(options.PollSpin), 1),
            backlog_bytes_max = (ulong)options.BacklogBytesMax,
        };
    }

    internal static NrgTuning.Unmanaged From(RaftTiming timing) => new()
    {
        struct_size = (uint)sizeof(NrgTuning.Unmanaged),
        election_min_ns = Nanos(timing.ElectionMin),
        election_max_ns = Nanos(timing.ElectionMax),
        campaign_min_ns = Nanos(timing.CampaignMin),
        campaign_max_ns = Nanos(timing.CampaignMax),
        heartbeat_ns = Nanos(timing.Heartbeat),
        lost_quorum_interval_ns = Nanos(timing.LostQuorumInterval),
        lost_quorum_check_ns = Nanos(timing.LostQuorumCheck),
        lost_quorum_signal_ns = Nanos(timing.LostQuorumSignal),
        observer_interval_ns = Nanos(timing.ObserverInterval),
        peer_remove_timeout_ns = Nanos(timing.PeerRemoveTimeout),
        rescue_timeout_ns = Nanos(timing.RescueTimeout),
    };

    private static ulong Nanos(
        TimeSpan time, [CallerArgumentExpression(nameof(time))] string? name = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, Longest, name);
        return (ulong)time.Ticks * TimeSpan.NanosecondsPerTick;
    }
}
