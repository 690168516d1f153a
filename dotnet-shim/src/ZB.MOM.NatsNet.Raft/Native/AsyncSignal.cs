using System.Threading.Tasks.Sources;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// An auto-reset signal for one waiter: set by the pump, awaited by a consumer, without
/// allocation. Closing it answers false to this and every later wait.
/// </summary>
internal sealed class AsyncSignal : IValueTaskSource<bool>
{
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<bool> _core;
    private CancellationTokenRegistration _cancellation;
    private CancellationToken _token;
    private bool _set;
    private bool _closed;
    private bool _waiting;

    /// <param name="inline">Continue on the thread that sets the signal.</param>
    internal AsyncSignal(bool inline) => _core.RunContinuationsAsynchronously = !inline;

    internal void Set() => Complete(closing: false);

    internal void Close() => Complete(closing: true);

    internal ValueTask<bool> WaitAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        short version;
        lock (_gate)
        {
            if (_waiting)
            {
                throw new InvalidOperationException("the queue is already being waited on");
            }

            if (_closed)
            {
                return new ValueTask<bool>(false);
            }

            if (_set)
            {
                _set = false;
                return new ValueTask<bool>(true);
            }

            _core.Reset();
            version = _core.Version;
            _token = cancellationToken;
            _waiting = true;
        }

        if (cancellationToken.CanBeCanceled)
        {
            // Outside the lock: a token cancelled meanwhile runs the callback at once. The waiter
            // is the only one to touch the registration until it reads the result.
            _cancellation = cancellationToken.UnsafeRegister(
                static state => ((AsyncSignal)state!).Cancel(), this);
        }

        return new ValueTask<bool>(this, version);
    }

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        // Waits for a callback that is running, so that it cannot end a later wait.
        _cancellation.Dispose();
        _cancellation = default;
        return _core.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(
        Action<object?> continuation,
        object? state,
        short token,
        ValueTaskSourceOnCompletedFlags flags)
        => _core.OnCompleted(continuation, state, token, flags);

    private void Complete(bool closing)
    {
        lock (_gate)
        {
            _closed |= closing;
            if (!_waiting)
            {
                _set |= !closing;
                return;
            }

            _waiting = false;
        }

        _core.SetResult(!closing);
    }

    private void Cancel()
    {
        lock (_gate)
        {
            if (!_waiting)
            {
                return;
            }

            _waiting = false;
        }

        _core.SetException(new OperationCanceledException(_token));
    }
}
