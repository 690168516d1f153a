using System.Runtime.CompilerServices;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>The apply queue of a node: pulls batches from the engine, woken by the pump.</summary>
internal sealed class ApplyQueue : IRaftApplyQueue
{
    private readonly Raft _node;
    private readonly AsyncSignal _signal;

    internal ApplyQueue(Raft node, bool inline)
    {
        _node = node;
        _signal = new AsyncSignal(inline);
    }

    public int Length => _node.ApplyLength();

    public ValueTask<bool> WaitAsync(CancellationToken cancellationToken = default)
        => _signal.WaitAsync(cancellationToken);

    public ApplyBatch? TryTake(int maxEntries = 1024, int maxBytes = 1 << 20)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxEntries);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxBytes);
        ApplyBatch? batch = _node.TakeApplied(maxEntries, maxBytes);
        if (batch is not null)
        {
            // More may be waiting: the engine signals once and expects us to take until empty.
            _signal.Set();
        }

        return batch;
    }

    public async IAsyncEnumerable<ApplyBatch> ReadAllAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await _signal.WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            while (TryTake() is { } batch)
            {
                using (batch)
                {
                    yield return batch;
                }
            }
        }
    }

    internal void Signal() => _signal.Set();

    internal void Close() => _signal.Close();
}

/// <summary>The lead-change slot of a node: the value stays in the engine until taken.</summary>
internal sealed class LeadChangeSource : IRaftLeadChange
{
    private readonly Raft _node;
    private readonly AsyncSignal _signal;

    internal LeadChangeSource(Raft node, bool inline)
    {
        _node = node;
        _signal = new AsyncSignal(inline);
    }

    public ValueTask<bool> WaitAsync(CancellationToken cancellationToken = default)
        => _signal.WaitAsync(cancellationToken);

    public bool TryTake(out LeadChange change) => _node.TakeLeadChange(out change);

    public async IAsyncEnumerable<LeadChange> ReadAllAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await _signal.WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            if (TryTake(out LeadChange change))
            {
                yield return change;
            }
        }
    }

    internal void Signal() => _signal.Set();

    internal void Close() => _signal.Close();
}
