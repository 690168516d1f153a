using ZB.MOM.NatsNet.Server;

namespace ThreeNodes;

/// <summary>
/// The members of the group, on one runtime, and on one network of the engine or one bus of the
/// host.
/// </summary>
internal sealed class Cluster : IAsyncDisposable
{
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private const string Group = "lines";

    /// <summary>The partition of a killed member.</summary>
    private const int Grave = 1;

    private readonly RaftRuntime _runtime;
    private readonly LoopbackNetwork _network = new();
    private readonly InProcessRaftBus? _bus;
    private readonly Dictionary<string, Replica> _running = [];
    private readonly string _root;
    private readonly string[] _ids;

    private Cluster(Arguments arguments, string root)
    {
        _root = root;
        _bus = arguments.OnHost ? new InProcessRaftBus() : null;
        _ids = [.. Enumerable.Range(1, arguments.Nodes).Select(number => $"NODE000{number}")];
        _runtime = new RaftRuntime(new RaftRuntimeOptions
        {
            Timing = RaftTiming.Fast with
            {
                ElectionMin = arguments.ElectionMin,
                ElectionMax = arguments.ElectionMax,
                Heartbeat = arguments.ElectionMin / 3,
            },
        });

        // A host says when there is a way to other servers, and which of them are there.
        _runtime.SetRoutingReady(true);
        foreach (string id in _ids)
        {
            _runtime.SetPeerOnline(id, online: true);
        }
    }

    internal Pulse Pulse { get; } = new();

    internal IReadOnlyCollection<Replica> Running => _running.Values;

    /// <summary>The complete leader with the highest term; null without one.</summary>
    internal Replica? Leader => _running.Values
        .Where(replica => replica.Leadership is not null)
        .MaxBy(replica => replica.Leadership?.Term ?? 0);

    /// <summary>Starts every member, those of an earlier run from what they stored.</summary>
    internal static async Task<Cluster> StartAsync(Arguments arguments, string root)
    {
        var cluster = new Cluster(arguments, root);
        try
        {
            foreach (string id in cluster._ids)
            {
                await cluster.OpenAsync(id);
            }

            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Replica replica in _running.Values)
        {
            await replica.DisposeAsync();
        }

        _running.Clear();
        await _runtime.DisposeAsync();
        _network.Dispose();
    }

    internal async Task<Replica> WaitForLeaderAsync()
    {
        await UntilAsync(() => Leader is not null, "a leader");
        return Leader ?? await WaitForLeaderAsync();
    }

    internal async Task UntilAsync(Func<bool> condition, string what)
    {
        await Pulse.UntilAsync(() => AnyFailure() is not null || condition(), what, Patience);
        if (AnyFailure() is { } failure)
        {
            throw new RunFailedException($"a replica stopped applying: {failure.Message}");
        }
    }

    /// <summary>
    /// Kills a member as far as one process allows: from one moment to the next it takes and says
    /// nothing, does not step down, and is dropped.
    /// </summary>
    internal async Task KillAsync(Replica replica)
    {
        // Dropping it lets it go on, to its end: behind a partition it reaches nobody any more.
        if (_bus is null)
        {
            _network.Freeze(replica.Node);
            _network.SetPartition(replica.Id, Grave);
        }

        _bus?.SetPartition(replica.Id, Grave);
        _running.Remove(replica.Id);
        await replica.DisposeAsync();
        _network.Heal(replica.Id);
        _bus?.Heal(replica.Id);
    }

    /// <summary>Starts a member from its directory.</summary>
    internal async Task OpenAsync(string id)
    {
        string store = Path.Combine(_root, id);
        var config = new RaftConfig { PeerId = id, Name = Group, StoreRoot = store };
        if (!Directory.Exists(config.StoreDirectory) || !HasPeers(config))
        {
            RaftRuntime.Bootstrap(config, _ids, allPeersKnown: true);
        }
        else
        {
            config = config with { Recovering = true };
        }

        Raft node = _bus is null
            ? await _runtime.OpenAsync(config, _network)
            : await _runtime.OpenAsync(config, _bus.Connect(id));
        _running.Add(id, new Replica(node, Pulse));
    }

    // The file is written beside and renamed, so it is there whole or not at all.
    private static bool HasPeers(RaftConfig config)
        => File.Exists(Path.Combine(config.StoreDirectory, "peers.idx"));

    private Exception? AnyFailure()
        => _running.Values
            .Select(replica => replica.Failure)
            .FirstOrDefault(failure => failure is not null);
}
