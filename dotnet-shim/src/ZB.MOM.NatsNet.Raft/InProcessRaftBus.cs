using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// A bus for nodes of one process, and an example of what a server does with
/// <see cref="IRaftTransport"/>: the host carries the messages, not the engine. It can be cut, for
/// tests. Every method may be called from any thread.
/// </summary>
public sealed class InProcessRaftBus
{
    private readonly ConcurrentDictionary<(string Account, string Subject), Listeners> _subjects =
        new();

    private readonly ConcurrentDictionary<string, int> _partitions = new();
    private readonly Lock _gate = new();
    private RaftTrafficAccount _account = RaftTrafficAccount.System;

    /// <summary>The account whose traffic nodes use from their next reset on.</summary>
    public RaftTrafficAccount Account
    {
        get => Volatile.Read(ref _account);
        set => Volatile.Write(ref _account, value);
    }

    /// <summary>A node's connection to the bus.</summary>
    /// <param name="peer">The id of the node's server.</param>
    /// <returns>
    /// For one call of <see cref="RaftRuntime.Open(RaftConfig, IRaftTransport?)"/>.
    /// </returns>
    public IRaftTransport Connect(string peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return new Connection(this, peer);
    }

    /// <summary>
    /// Puts a server into a partition. Messages reach only servers of the same one.
    /// </summary>
    /// <param name="peer">The server's id.</param>
    /// <param name="partition">The partition; 0 is the one all start in.</param>
    public void SetPartition(string peer, int partition)
    {
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        _partitions[peer] = partition;
    }

    /// <summary>Brings a server back to the others.</summary>
    /// <param name="peer">The server's id.</param>
    public void Heal(string peer) => SetPartition(peer, 0);

    private int PartitionOf(string peer) => _partitions.GetValueOrDefault(peer);

    /// <summary>Who listens on one subject; changes seldom, is read with every message.</summary>
    private sealed record Listeners(ImmutableArray<(Connection Of, RaftSubscription To)> All);

    private sealed class Connection(InProcessRaftBus bus, string peer) : IRaftTransport
    {
        private readonly HashSet<RaftSubscription> _subscriptions = [];
        private string _account = "";

        public RaftTrafficAccount ChooseAccount(IReadOnlyList<string> peers) => bus.Account;

        public void Reset(RaftTrafficAccount account)
        {
            Close();
            _account = account.Name;
        }

        public void Subscribe(RaftSubscription subscription)
        {
            _subscriptions.Add(subscription);
            Change(subscription, all => all.Add((this, subscription)));
        }

        public void Unsubscribe(RaftSubscription subscription)
        {
            _subscriptions.Remove(subscription);
            Change(subscription, all => all.Remove((this, subscription)));
        }

        public void Publish(string subject, string reply, ReadOnlyMemory<byte> payload)
        {
            if (!bus._subjects.TryGetValue((_account, subject), out Listeners? listeners))
            {
                return;
            }

            int own = bus.PartitionOf(peer);
            foreach ((Connection of, RaftSubscription to) in listeners.All)
            {
                if (of != this && bus.PartitionOf(of.Peer) == own)
                {
                    to.Deliver(reply, payload.Span);
                }
            }
        }

        public void Close()
        {
            foreach (RaftSubscription subscription in _subscriptions)
            {
                Change(subscription, all => all.Remove((this, subscription)));
            }

            _subscriptions.Clear();
        }

        private string Peer => peer;

        private void Change(
            RaftSubscription subscription,
            Func<
                ImmutableArray<(Connection, RaftSubscription)>,
                ImmutableArray<(Connection, RaftSubscription)>> change)
        {
            (string, string) key = (_account, subscription.Subject);
            lock (bus._gate)
            {
                ImmutableArray<(Connection, RaftSubscription)> all = change(
                    bus._subjects.TryGetValue(key, out Listeners? now) ? now.All : []);
                if (all.IsEmpty)
                {
                    bus._subjects.TryRemove(key, out _);
                }
                else
                {
                    bus._subjects[key] = new Listeners(all);
                }
            }
        }
    }
}
