using ZB.MOM.NatsNet.Server;

namespace NatsRaft.Benchmarks;

/// <summary>
/// Three nodes in one process with an elected leader; the followers apply by themselves.
/// </summary>
internal sealed class Group : IAsyncDisposable
{
    private const string Name = "bench";

    private readonly RaftRuntime _runtime;
    private readonly LoopbackNetwork _network = new();
    private readonly string _root = Directory.CreateTempSubdirectory("nats-raft-bench-").FullName;
    private readonly List<Raft> _nodes = [];
    private readonly List<Task> _followers = [];

    private Group(bool inline) => _runtime = new RaftRuntime(new RaftRuntimeOptions
    {
        InlineContinuations = inline,
        Timing = RaftTiming.Fast with
        {
            // A busy machine must not cost the leader its place in the middle of a measurement.
            ElectionMin = TimeSpan.FromSeconds(2),
            ElectionMax = TimeSpan.FromSeconds(4),
        },
    });

    internal Raft Leader { get; private set; } = null!;

    internal ulong Term { get; private set; }

    internal static async Task<Group> StartAsync(RaftLogKind log, bool inline)
    {
        var group = new Group(inline);
        string[] ids = ["BENCH001", "BENCH002", "BENCH003"];
        foreach (string id in ids)
        {
            var config = new RaftConfig
            {
                PeerId = id,
                Name = Name,
                StoreRoot = Path.Combine(group._root, id),
                Log = log,
            };
            RaftRuntime.Bootstrap(config, ids, allPeersKnown: true);
            group._nodes.Add(group._runtime.Open(config, group._network));
        }

        group.Leader = group._nodes[0];
        foreach (Raft follower in group._nodes.Skip(1))
        {
            group._followers.Add(Task.Run(() => ApplyAsync(follower)));
        }

        await group.ElectAsync();
        return group;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Raft node in _nodes)
        {
            await node.DisposeAsync();
        }

        await Task.WhenAll(_followers);
        await _runtime.DisposeAsync();
        _network.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>Reports a batch as applied; how many entries of the application it held.</summary>
    internal static int Apply(Raft node, ApplyBatch batch)
    {
        int entries = 0;
        foreach (CommittedEntry committed in batch)
        {
            foreach (EntryView entry in committed)
            {
                entries += entry.Type == EntryType.Normal ? 1 : 0;
            }
        }

        ulong last = batch.LastIndex;
        if (last != 0)
        {
            node.Processed(last, last);
        }

        return entries;
    }

    /// <summary>Makes the first node leader: it alone campaigns at once.</summary>
    private async Task ElectAsync()
    {
        Leader.CampaignImmediately();
        IRaftApplyQueue queue = Leader.ApplyQ();
        IRaftLeadChange changes = Leader.LeadChangeC();
        while (true)
        {
            if (changes.TryTake(out LeadChange change) && change.IsLeader)
            {
                Term = change.Term;
                return;
            }

            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await queue.WaitAsync(patience.Token);
            while (queue.TryTake() is { } batch)
            {
                using (batch)
                {
                    Apply(Leader, batch);
                }
            }
        }
    }

    private static async Task ApplyAsync(Raft node)
    {
        try
        {
            await foreach (ApplyBatch batch in node.ApplyQ().ReadAllAsync())
            {
                Apply(node, batch);
            }
        }
        catch (ObjectDisposedException) when (node.QuitC().IsCancellationRequested)
        {
            // The measurement is over.
        }
    }
}
