using System.Threading.Tasks.Sources;

namespace ZB.MOM.NatsNet.Server;

/// <summary>One awaited proposal, used again after its end was read.</summary>
internal sealed class ProposalWait : IValueTaskSource<ulong>
{
    private readonly ProposalWaits _owner;
    private ManualResetValueTaskSourceCore<ulong> _core;
    private CancellationTokenRegistration _cancellation;
    private CancellationToken _token;

    /// <param name="owner">Who ends it and takes it back.</param>
    /// <param name="inline">Continue on the thread that ends it.</param>
    internal ProposalWait(ProposalWaits owner, bool inline)
    {
        _owner = owner;
        _core.RunContinuationsAsynchronously = !inline;
    }

    /// <summary>What the engine knows the proposal by.</summary>
    internal ulong Tag { get; private set; }

    /// <summary>Gives it to a proposal.</summary>
    /// <param name="tag">The proposal's tag.</param>
    internal void Begin(ulong tag) => Tag = tag;

    /// <summary>The wait as its caller sees it; at most once for each proposal.</summary>
    /// <param name="cancellationToken">Ends the wait, not the proposal.</param>
    /// <returns>The wait.</returns>
    internal ValueTask<ulong> Await(CancellationToken cancellationToken)
    {
        short version = _core.Version;
        if (cancellationToken.CanBeCanceled)
        {
            // Only the reader of the result touches these, and there is none yet.
            _token = cancellationToken;
            _cancellation = cancellationToken.UnsafeRegister(
                static state =>
                {
                    var wait = (ProposalWait)state!;
                    wait._owner.Cancel(wait.Tag, wait._token);
                },
                this);
        }

        return new ValueTask<ulong>(this, version);
    }

    internal void Succeed(ulong index) => _core.SetResult(index);

    internal void Fail(Exception reason) => _core.SetException(reason);

    ulong IValueTaskSource<ulong>.GetResult(short token)
    {
        // Refuses whoever reads twice, before the wait could be somebody else's.
        if (_core.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            throw new InvalidOperationException("the proposal has not ended yet");
        }

        // Waits for a callback that is running, so that it cannot end a later wait.
        _cancellation.Dispose();
        _cancellation = default;
        _token = default;
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            _owner.Return(this);
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ulong>.GetStatus(short token)
        => _core.GetStatus(token);

    void IValueTaskSource<ulong>.OnCompleted(
        Action<object?> continuation,
        object? state,
        short token,
        ValueTaskSourceOnCompletedFlags flags)
        => _core.OnCompleted(continuation, state, token, flags);
}
