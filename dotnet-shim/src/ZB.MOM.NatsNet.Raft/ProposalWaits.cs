using ZB.MOM.NatsNet.Server.Native;
using Outcome = ZB.MOM.NatsNet.Server.Native.NrgProposalOutcome.Unmanaged;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// The proposals of one node that somebody awaits, by the tag the engine knows them by. Every wait
/// ends once: by its outcome, by its token or with the node.
/// </summary>
internal sealed class ProposalWaits
{
    /// <summary>Waits kept for reuse; more are left to the collector.</summary>
    private const int SpareMost = 1024;

    private const int OutcomeRoom = 64;

    private readonly string _group;
    private readonly bool _inline;
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, ProposalWait> _waits = [];
    private readonly Stack<ProposalWait> _spare = new();
    private Func<Exception>? _closed;
    private ulong _lastTag;

    /// <param name="group">The group, for the exceptions.</param>
    /// <param name="inline">Continue on the thread that ends a wait.</param>
    internal ProposalWaits(string group, bool inline)
    {
        _group = group;
        _inline = inline;
    }

    /// <summary>Proposes an entry and waits for what becomes of it.</summary>
    /// <param name="node">The native node.</param>
    /// <param name="term">The term it is meant for.</param>
    /// <param name="data">The entry's bytes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="status">What the engine said to the proposal.</param>
    /// <returns>The index; faulted when the engine refused.</returns>
    internal ValueTask<ulong> Propose(
        NodeHandle node,
        ulong term,
        ReadOnlySpan<byte> data,
        CancellationToken cancellationToken,
        out RaftStatus status)
    {
        // Before the engine knows of it: its outcome may come before the call returns.
        if (Begin() is not { } wait)
        {
            status = RaftStatus.Closed;
            return ValueTask.FromException<ulong>(_closed!());
        }

        ulong tag = wait.Tag;
        try
        {
            status = NativeMethods.NodeProposeAwaited(node, term, data, tag);
        }
        catch (ObjectDisposedException)
        {
            Forget(tag);
            throw;
        }

        if (status != RaftStatus.Ok)
        {
            Forget(tag);
            return ValueTask.FromException<ulong>(Failure(status));
        }

        return wait.Await(cancellationToken);
    }

    /// <summary>Ends the waits whose outcomes are there. On the pump.</summary>
    /// <param name="node">The native node.</param>
    internal void Drain(NodeHandle node)
    {
        Span<Outcome> outcomes = stackalloc Outcome[OutcomeRoom];
        int count;
        do
        {
            // A node that has failed has none; its end ends the waits.
            if (NativeMethods.NodeOutcomesTake(node, outcomes, out count) != RaftStatus.Ok)
            {
                return;
            }

            foreach (ref readonly Outcome outcome in outcomes[..count])
            {
                if (Remove(outcome.tag) is not { } wait)
                {
                    // Its wait was cancelled.
                    continue;
                }

                var status = (RaftStatus)outcome.status;
                if (status == RaftStatus.Ok)
                {
                    wait.Succeed(outcome.index);
                }
                else
                {
                    wait.Fail(Failure(status));
                }
            }
        }
        while (count == OutcomeRoom);
    }

    /// <summary>Ends every wait, and refuses later ones.</summary>
    /// <param name="reason">Makes the exception of one wait.</param>
    internal void Close(Func<Exception> reason)
    {
        ProposalWait[] left;
        lock (_gate)
        {
            _closed ??= reason;
            left = [.. _waits.Values];
            _waits.Clear();
        }

        foreach (ProposalWait wait in left)
        {
            wait.Fail(reason());
        }
    }

    /// <summary>Ends one wait because its token says so.</summary>
    /// <param name="tag">Its tag.</param>
    /// <param name="token">The token.</param>
    internal void Cancel(ulong tag, CancellationToken token)
        => Remove(tag)?.Fail(new OperationCanceledException(token));

    /// <summary>Takes a wait back whose end was read.</summary>
    /// <param name="wait">The wait.</param>
    internal void Return(ProposalWait wait)
    {
        lock (_gate)
        {
            if (_spare.Count < SpareMost)
            {
                _spare.Push(wait);
            }
        }
    }

    /// <summary>A wait with a tag of its own; null once the waits are closed.</summary>
    private ProposalWait? Begin()
    {
        lock (_gate)
        {
            if (_closed is not null)
            {
                return null;
            }

            ProposalWait wait = _spare.TryPop(out ProposalWait? spare)
                ? spare
                : new ProposalWait(this, _inline);
            wait.Begin(++_lastTag);
            _waits.Add(_lastTag, wait);
            return wait;
        }
    }

    private ProposalWait? Remove(ulong tag)
    {
        lock (_gate)
        {
            return _waits.Remove(tag, out ProposalWait? wait) ? wait : null;
        }
    }

    /// <summary>A wait that nobody got to see, unless the node's end was faster.</summary>
    private void Forget(ulong tag)
    {
        if (Remove(tag) is { } wait)
        {
            Return(wait);
        }
    }

    private Exception Failure(RaftStatus status)
        => ThrowHelper.Make(status, nameof(IRaftNode.ProposeAsync), _group);
}
