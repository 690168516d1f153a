using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>What cannot work is refused where it is said, with the name of what is wrong.</summary>
public class ConfigTests
{
    [RaftTheory]
    [InlineData("")]
    [InlineData("seven77")]
    [InlineData("nine99999")]
    [InlineData("wide\u20AC777")]
    [InlineData("\0\0\0\0\0\0\0\0")]
    public void PeerId_ThatIsNotEightBytes_IsRefused(string id)
    {
        using var folder = new TestFolder();
        var config = new RaftConfig { PeerId = id, Name = "TEST", StoreRoot = folder.Path };

        Should.Throw<ArgumentException>(
            () => RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true))
            .Message.ShouldContain("raft: illegal peer");
    }

    [RaftTheory]
    [InlineData("")]
    [InlineData("two.tokens")]
    [InlineData("a space")]
    [InlineData("star*")]
    [InlineData(">")]
    [InlineData("../up")]
    public void GroupName_ThatIsNotOneToken_IsRefused(string name)
    {
        using var folder = new TestFolder();
        var config = new RaftConfig { PeerId = Ids.Self, Name = name, StoreRoot = folder.Path };

        Should.Throw<ArgumentException>(
            () => RaftRuntime.Bootstrap(config, [Ids.Self], allPeersKnown: true));

        Directory.GetFileSystemEntries(folder.Path).ShouldBeEmpty();
        Directory.Exists(Path.Combine(folder.Path, "..", "up")).ShouldBeFalse();
    }

    [RaftFact]
    public void Bootstrap_OfAnIllegalKnownPeer_WritesNothing()
    {
        using var folder = new TestFolder();
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };

        Should.Throw<ArgumentException>(
            () => RaftRuntime.Bootstrap(config, [Ids.Self, "bad"], allPeersKnown: true));
        Should.Throw<ArgumentOutOfRangeException>(
            () => RaftRuntime.Bootstrap(config, [], allPeersKnown: false, routes: -1));

        Directory.Exists(config.StoreDirectory).ShouldBeFalse();
    }

    [RaftTheory]
    [InlineData(0, false, 2)]
    [InlineData(3, false, 3)]
    [InlineData(3, true, 1)]
    public void Bootstrap_WithoutAllPeersKnown_ExpectsWhatIsConfigured(
        int routes, bool allKnown, int expected)
    {
        using var folder = new TestFolder();
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };

        RaftRuntime.Bootstrap(config, allKnown ? [Ids.Self] : [], allKnown, routes);

        byte[] file = File.ReadAllBytes(Path.Combine(config.StoreDirectory, "peers.idx"));
        ((int)PeerState.Decode(file).ClusterSize).ShouldBe(expected);
    }

    [RaftTheory]
    [InlineData("no shards")]
    [InlineData("65 shards")]
    [InlineData("a sync policy that is none")]
    [InlineData("an interval of nothing")]
    [InlineData("a spin into the past")]
    [InlineData("elections of no width")]
    [InlineData("a heartbeat into the past")]
    public void RuntimeOptions_OutOfTheirRange_AreRefused(string what)
    {
        TimeSpan second = TimeSpan.FromSeconds(1);
        RaftRuntimeOptions options = what switch
        {
            "no shards" => new() { Shards = 0 },
            "65 shards" => new() { Shards = 65 },
            "a sync policy that is none" => new() { SyncPolicy = (RaftSyncPolicy)7 },
            "an interval of nothing" => new()
            {
                SyncPolicy = RaftSyncPolicy.Interval,
                SyncInterval = TimeSpan.Zero,
            },
            "a spin into the past" => new() { PollSpin = TimeSpan.FromTicks(-1) },
            "elections of no width" => new()
            {
                Timing = new() { ElectionMin = second, ElectionMax = second },
            },
            _ => new() { Timing = new() { Heartbeat = -second } },
        };

        Should.Throw<ArgumentException>(() => new RaftRuntime(options).Dispose());
    }

    [RaftFact]
    public void ShippedTimings_AreAccepted()
    {
        RaftTiming[] shipped = [new RaftTiming(), RaftTiming.Fast, TestTiming.Reference];
        foreach (RaftTiming timing in shipped)
        {
            using var runtime =
                new RaftRuntime(new RaftRuntimeOptions { Timing = timing, ManualClock = true });
            runtime.SetTiming(timing);
        }
    }
}
