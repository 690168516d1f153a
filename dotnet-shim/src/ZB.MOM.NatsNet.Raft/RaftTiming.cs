namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// The timers of a runtime. The defaults are those of a production server; tests and embedded
/// groups on one machine may shorten them. A value of zero takes the default.
/// </summary>
public sealed record RaftTiming
{
    /// <summary>Shortest wait for a leader before a campaign.</summary>
    public TimeSpan ElectionMin { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>Longest wait for a leader before a campaign; not reached.</summary>
    public TimeSpan ElectionMax { get; init; } = TimeSpan.FromSeconds(9);

    /// <summary>Shortest delay of a requested campaign; half of it when immediate.</summary>
    public TimeSpan CampaignMin { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest delay of a requested campaign; not reached.</summary>
    public TimeSpan CampaignMax { get; init; } = TimeSpan.FromMilliseconds(800);

    /// <summary>How often an idle leader sends a heartbeat.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A peer heard from within this time counts as alive.</summary>
    public TimeSpan LostQuorumInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a leader checks that a quorum is alive.</summary>
    public TimeSpan LostQuorumCheck { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Least time between two lost-quorum notices of a candidate.</summary>
    public TimeSpan LostQuorumSignal { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The election timer of an observer.</summary>
    public TimeSpan ObserverInterval { get; init; } = TimeSpan.FromHours(48);

    /// <summary>How long a removed peer is not added again by itself.</summary>
    public TimeSpan PeerRemoveTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a lowered quorum lasts.</summary>
    public TimeSpan RescueTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Timers for groups whose members are in one process or one rack: elections of 150 to 300 ms,
    /// a heartbeat of 50 ms.
    /// </summary>
    public static RaftTiming Fast { get; } = new()
    {
        ElectionMin = TimeSpan.FromMilliseconds(150),
        ElectionMax = TimeSpan.FromMilliseconds(300),
        CampaignMin = TimeSpan.FromMilliseconds(10),
        CampaignMax = TimeSpan.FromMilliseconds(50),
        Heartbeat = TimeSpan.FromMilliseconds(50),
        LostQuorumInterval = TimeSpan.FromSeconds(2),
        LostQuorumCheck = TimeSpan.FromSeconds(1),
        LostQuorumSignal = TimeSpan.FromSeconds(4),
    };
}
