using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace ZB.MOM.NatsNet.Server;

/// <summary>When written entries are brought to the device.</summary>
public enum RaftSyncPolicy
{
    /// <summary>
    /// Before anything that rests on them leaves the node. Nothing acknowledged is lost.
    /// </summary>
    Always = 0,

    /// <summary>
    /// At intervals. A power cut may lose what was acknowledged since the last one.
    /// </summary>
    Interval = 1,

    /// <summary>
    /// When the operating system pleases. For tests and for data that can be made again.
    /// </summary>
    Never = 2,
}

/// <summary>The options of a <see cref="RaftRuntime"/>.</summary>
public sealed class RaftRuntimeOptions
{
    /// <summary>Engine threads, 1 to 64. Groups are spread over them.</summary>
    public int Shards { get; init; } = 1;

    /// <summary>When written entries are brought to the device.</summary>
    public RaftSyncPolicy SyncPolicy { get; init; } = RaftSyncPolicy.Always;

    /// <summary>The interval of <see cref="RaftSyncPolicy.Interval"/>.</summary>
    public TimeSpan SyncInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The timers of all groups of the runtime.</summary>
    public RaftTiming Timing { get; init; } = new();

    /// <summary>Takes the engine's log records; null drops them.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>
    /// The scope of the runtime's meter, for listeners that look for this factory's; null: none.
    /// The runtime makes the meter, tagged with a number of its own, and disposes it.
    /// </summary>
    public IMeterFactory? MeterFactory { get; init; }

    /// <summary>
    /// Run the continuations of <see cref="IRaftApplyQueue.WaitAsync"/> and of lead changes on the
    /// pump thread. Saves a hop to the thread pool; a continuation that blocks then stops every
    /// group of the runtime, and disposing the runtime from one throws.
    /// </summary>
    public bool InlineContinuations { get; init; }

    /// <summary>
    /// How long the pump looks for work before it sleeps, while work comes densely. Zero: it sleeps
    /// at once.
    /// </summary>
    public TimeSpan PollSpin { get; init; } = TimeSpan.FromMicroseconds(50);

    /// <summary>
    /// Bytes a leader takes before something has to be committed; beyond them proposals are
    /// refused with <see cref="RaftStatus.Backlog"/> and may be made again later. Bounds what slow
    /// followers cost in memory. Below it one more batch is always taken, whatever its size.
    /// </summary>
    public long BacklogBytesMax { get; init; } = 64 * 1024 * 1024;

    /// <summary>
    /// Seed of elections and inboxes, for tests; null takes one from the operating system.
    /// </summary>
    internal ulong? Seed { get; init; }

    /// <summary>Time stands still until a test moves it.</summary>
    internal bool ManualClock { get; init; }
}
