using System.Buffers.Binary;
using System.Diagnostics;
using ZB.MOM.NatsNet.Server;

namespace ThreeNodes;

/// <summary>A node leads in this term; proposals carry it.</summary>
internal sealed record Leadership(ulong Term);

/// <summary>One running member of the group and the state it has built from the log.</summary>
internal sealed class Replica : IAsyncDisposable
{
    private readonly LineState _state = new();
    private readonly Lock _stateGate = new();
    private readonly Pulse _pulse;
    private readonly Task _applying;
    private readonly Task _watching;
    private int _lines;
    private bool _replayed;
    private Leadership? _leadership;
    private Exception? _failure;

    internal Replica(Raft node, Pulse pulse)
    {
        Node = node;
        _pulse = pulse;
        _applying = Task.Run(ApplyAsync);
        _watching = Task.Run(WatchAsync);
    }

    internal Raft Node { get; }

    internal string Id => Node.ID();

    /// <summary>The last line applied here.</summary>
    internal int Lines => Volatile.Read(ref _lines);

    /// <summary>Whether everything the log held at the start has been applied.</summary>
    internal bool Replayed => Volatile.Read(ref _replayed);

    /// <summary>The newest leadership of this node; null while it does not lead.</summary>
    internal Leadership? Leadership => Volatile.Read(ref _leadership);

    /// <summary>Why applying ended early; null while it goes on.</summary>
    internal Exception? Failure => Volatile.Read(ref _failure);

    internal int Repeats
    {
        get
        {
            lock (_stateGate)
            {
                return _state.Repeats;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        await Task.WhenAll(_applying, _watching);
        lock (_stateGate)
        {
            _state.Dispose();
        }
    }

    /// <summary>The state's size and hash, read together.</summary>
    internal (int Lines, string Hash) Read()
    {
        lock (_stateGate)
        {
            return (_state.Lines, _state.Hash());
        }
    }

    private async Task ApplyAsync()
    {
        try
        {
            await foreach (ApplyBatch batch in Node.ApplyQ().ReadAllAsync())
            {
                Apply(batch);
                if (batch.LastIndex is ulong last and not 0)
                {
                    Node.Processed(last, last);
                }

                _pulse.Fire();
            }
        }
        catch (Exception failure) when (failure is RunFailedException or RaftException)
        {
            Volatile.Write(ref _failure, failure);
            _pulse.Fire();
        }
        catch (ObjectDisposedException)
        {
            // The node was dropped between a wait and a report.
        }
    }

    private void Apply(ApplyBatch batch)
    {
        lock (_stateGate)
        {
            foreach (CommittedEntry committed in batch)
            {
                if (committed.IsNilGuard)
                {
                    Volatile.Write(ref _replayed, true);
                    continue;
                }

                foreach (EntryView entry in committed)
                {
                    if (entry.Type == EntryType.Normal)
                    {
                        ReadOnlySpan<byte> data = entry.Data;
                        long number = BinaryPrimitives.ReadInt64LittleEndian(data);
                        _state.Apply((int)number, data[LineState.HeaderLength..]);
                    }
                }
            }

            Volatile.Write(ref _lines, _state.Lines);
        }
    }

    private async Task WatchAsync()
    {
        try
        {
            await foreach (LeadChange change in Node.LeadChangeC().ReadAllAsync())
            {
                Leadership? leadership = change.IsLeader ? new Leadership(change.Term) : null;
                Volatile.Write(ref _leadership, leadership);
                _pulse.Fire();
            }
        }
        catch (ObjectDisposedException)
        {
            Debug.Assert(Node.QuitC().IsCancellationRequested, "only a dropped node is disposed");
        }

        Volatile.Write(ref _leadership, null);
        _pulse.Fire();
    }
}

/// <summary>Wakes everybody who waits for something to change.</summary>
internal sealed class Pulse
{
    private TaskCompletionSource _next = New();

    internal void Fire() => Interlocked.Exchange(ref _next, New()).TrySetResult();

    /// <summary>Waits until a condition holds; it is checked after each pulse.</summary>
    /// <param name="condition">The condition.</param>
    /// <param name="what">The wait in words, for the failure.</param>
    /// <param name="limit">How long to wait at most.</param>
    internal async Task UntilAsync(Func<bool> condition, string what, TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            Task next = Volatile.Read(ref _next).Task;
            if (condition())
            {
                return;
            }

            TimeSpan left = limit - Stopwatch.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                throw new RunFailedException($"waited {limit.TotalSeconds:0} s in vain for {what}");
            }

            // Whether the time has run out shows in the next round.
            await next.WaitAsync(left).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static TaskCompletionSource New()
        => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
