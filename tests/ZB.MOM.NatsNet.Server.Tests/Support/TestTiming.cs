namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>The timers of the suites.</summary>
internal static class TestTiming
{
    /// <summary>What the server's own tests lower their timers to.</summary>
    internal static RaftTiming Reference { get; } = new()
    {
        ElectionMin = TimeSpan.FromMilliseconds(1500),
        ElectionMax = TimeSpan.FromMilliseconds(3500),
        Heartbeat = TimeSpan.FromMilliseconds(50),
        LostQuorumInterval = TimeSpan.FromSeconds(5),
        LostQuorumCheck = TimeSpan.FromMilliseconds(200),
    };
}
