using System.Diagnostics;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

public sealed partial class Raft
{
    private readonly CancellationTokenSource _quit = new();
    private readonly TaskCompletionSource _stopped =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private bool _disposed;
    private bool _releasing;

    /// <summary>Completes when the engine has ended the node.</summary>
    internal Task Stopped => _stopped.Task;

    /// <inheritdoc/>
    public void Stop()
    {
        Check(NativeMethods.NodeStop(Handle), nameof(Stop));
        Quit();
    }

    /// <inheritdoc/>
    public void WaitForStop()
    {
        if (_runtime.IsOnPump)
        {
            throw new InvalidOperationException("the pump cannot wait for what it has to tell");
        }

        if (IsEnding())
        {
            _stopped.Task.Wait();
        }
    }

    /// <inheritdoc/>
    public Task WaitForStopAsync(CancellationToken cancellationToken = default)
        => IsEnding() ? _stopped.Task.WaitAsync(cancellationToken) : Task.CompletedTask;

    /// <inheritdoc/>
    public void Delete()
    {
        Check(NativeMethods.NodeDelete(Handle), nameof(Delete));
        Quit();
    }

    /// <summary>
    /// Forgets everything stored and becomes an empty group of one. The node goes on running; make
    /// it an observer first, or it elects itself.
    /// </summary>
    public void Reset() => Check(NativeMethods.NodeReset(Handle), nameof(Reset));

    /// <summary>
    /// Requests the stop and returns; the native node is released when it has stopped. Waits that
    /// are under way end. A frozen node is stopped too. May be repeated and called from any thread.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        try
        {
            // Before the engine ends them with the node: here it is the caller who does.
            _proposalWaits.Close(EndOfAProposal());
        }
        finally
        {
            StopAndRelease();
        }
    }

    /// <summary>Disposes the node and waits until it has stopped and is released.</summary>
    /// <returns>The end of the node.</returns>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        await _stopped.Task.ConfigureAwait(false);

        // Without a native object, opening has failed or is about to notice the end.
        if (_handle is not null)
        {
            await _released.Task.ConfigureAwait(false);
        }
    }

    /// <summary>Gives the node its native object, once.</summary>
    internal void Attach(NodeHandle handle)
    {
        _handle = handle;

        // Whoever ends the runtime disposes nodes that are just being opened, too.
        StopDisposed();
        ReleaseWhenDone();
        if (_outbound is not null)
        {
            _runtime.OnAttached(this);
        }
    }

    /// <summary>Sets the signals of what is ready. On the pump.</summary>
    internal void OnReady(uint mask)
    {
        // First: the end of the node ends the waits that have no outcome by then.
        if ((mask & Nrg.NRG_READY_OUTCOME) != 0)
        {
            DrainOutcomes();
        }

        if ((mask & Nrg.NRG_READY_OUTBOUND) != 0)
        {
            CarryOut();
        }

        if ((mask & Nrg.NRG_READY_ADVISORY) != 0)
        {
            ChooseAccountAgain();
        }

        if ((mask & Nrg.NRG_READY_APPLY) != 0)
        {
            _applyQueue.Signal();
        }

        if ((mask & Nrg.NRG_READY_LEADER) != 0)
        {
            _leadChange.Signal();
        }

        if ((mask & Nrg.NRG_READY_FAULT) != 0)
        {
            _runtime.OnFault(this, Fault());
        }

        if ((mask & Nrg.NRG_READY_STOPPED) != 0)
        {
            OnStopped();
        }
    }

    /// <summary>The engine has ended the node, or itself. On the pump.</summary>
    internal void OnStopped()
    {
        try
        {
            CloseWaits();
        }
        finally
        {
            _outbound?.Close();
            _stopped.TrySetResult();
            ReleaseWhenDone();
        }
    }

    /// <summary>Takes committed entries; null when there are none or the node is gone.</summary>
    internal unsafe ApplyBatch? TakeApplied(int maxEntries, int maxBytes)
    {
        if (Volatile.Read(ref _disposed) || _handle is not { } handle)
        {
            return null;
        }

        RaftStatus status;
        BatchHandle? batch;
        try
        {
            status = NativeMethods.NodeApplyTake(handle, maxEntries, maxBytes, out batch);
        }
        catch (ObjectDisposedException)
        {
            // Disposed meanwhile: the queue ends, which is what null says.
            return null;
        }

        Check(status, nameof(IRaftApplyQueue.TryTake));
        return batch is null ? null : Batch(batch);
    }

    /// <summary>Items in the engine's apply queue.</summary>
    internal int ApplyLength()
    {
        try
        {
            return (int)Status().apply_queue_len;
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Takes the newest unread lead change.</summary>
    internal bool TakeLeadChange(out LeadChange change)
    {
        change = default;
        if (Volatile.Read(ref _disposed) || _handle is not { } handle)
        {
            return false;
        }

        try
        {
            if (NativeMethods.NodeLeadChangeTake(handle, out LeadChange? taken) == RaftStatus.Ok
                && taken is { } found)
            {
                change = found;
                return true;
            }
        }
        catch (ObjectDisposedException)
        {
            // Disposed meanwhile: nothing more will come.
        }

        return false;
    }

    private bool IsEnding()
    {
        try
        {
            return _stopped.Task.IsCompleted || State() == RaftState.Closed;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    /// <summary>Why the node failed, if its native object can still be asked.</summary>
    private Exception? Fault()
    {
        try
        {
            return _handle is { } handle ? WriteError(handle) : null;
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }

    // The host's callbacks run on the pool: never on the pump or under a lock of the caller.
    private void Quit() => _ = QuitAsync();

    private async Task QuitAsync()
    {
        try
        {
            await _quit.CancelAsync().ConfigureAwait(false);
        }
        catch (AggregateException failure)
        {
            _runtime.OnCallbackFailed(this, failure);
        }
    }

    private void StopAndRelease()
    {
        try
        {
            StopDisposed();
            CloseWaits();
        }
        finally
        {
            ReleaseWhenDone();
        }
    }

    private void DrainOutcomes()
    {
        try
        {
            if (_handle is { } handle)
            {
                _proposalWaits.Drain(handle);
            }
        }
        catch (ObjectDisposedException)
        {
            // Disposed meanwhile, which ends the waits.
        }
    }

    private void CloseWaits()
    {
        Quit();
        try
        {
            _proposalWaits.Close(EndOfAProposal());
        }
        finally
        {
            try
            {
                _applyQueue.Close();
            }
            finally
            {
                _leadChange.Close();
            }
        }
    }

    /// <summary>What a proposal is told whose node ends before it does.</summary>
    private Func<Exception> EndOfAProposal()
    {
        if (Volatile.Read(ref _disposed))
        {
            return () => new ObjectDisposedException(nameof(Raft));
        }

        RaftStatus code = RaftStatus.Ok;
        string text = "";
        try
        {
            if (_handle is { } handle)
            {
                (code, text) = NativeMethods.NodeWriteError(handle);
            }
        }
        catch (ObjectDisposedException)
        {
            // Released just now; it is closed in any case.
        }

        RaftStatus status = code == RaftStatus.Ok ? RaftStatus.Closed : code;
        return () => ThrowHelper.Make(status, nameof(ProposeAsync), Group(), text);
    }

    /// <summary>Stops the native node, if there is one, and the node is disposed.</summary>
    private void StopDisposed()
    {
        Interlocked.MemoryBarrier();
        if (!_disposed || _handle is not { } handle)
        {
            return;
        }

        try
        {
            // Does nothing on a node that has stopped by itself.
            RaftStatus status = NativeMethods.NodeStop(handle);
            Debug.Assert(status == RaftStatus.Ok, "stopping does not fail");
        }
        catch (ObjectDisposedException)
        {
            // It had stopped, and was released just now.
        }
    }

    private void ReleaseWhenDone()
    {
        lock (_gate)
        {
            if (_releasing || !_disposed || !_stopped.Task.IsCompleted || _handle is null)
            {
                return;
            }

            _releasing = true;
        }

        // The last hold on the log may be this one: dropping it, and closing its files, takes the
        // pump too long.
        ThreadPool.UnsafeQueueUserWorkItem(static node => node.Release(), this, preferLocal: false);
    }

    private void Release()
    {
        _handle!.Dispose();
        _runtime.Forget(_token);
        _released.TrySetResult();
    }
}
