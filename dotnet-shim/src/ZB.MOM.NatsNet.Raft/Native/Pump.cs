using System.Collections.Concurrent;
using System.Diagnostics;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// The one thread of a runtime that waits for the engine: takes batches of ready nodes and sets
/// their signals. Data never passes through it. It ends when the engine is shut down.
/// </summary>
internal sealed class Pump
{
    private const int EventRoom = 128;

    [ThreadStatic]
    private static Pump? current;

    private readonly RaftRuntime _runtime;
    private readonly RuntimeHandle _handle;
    private readonly ConcurrentDictionary<ulong, Raft> _nodes = new();
    private readonly ConcurrentQueue<Raft> _attached = new();
    private readonly List<Inbound> _delivering = [];
    private readonly List<BatchHandle> _carried = [];
    private readonly Thread _thread;
    private ulong _lastToken;
    private volatile bool _ended;

    internal Pump(RaftRuntime runtime, RuntimeHandle handle)
    {
        _runtime = runtime;
        _handle = handle;
        _thread = new Thread(Run) { IsBackground = true, Name = "nrg-pump" };
        _thread.Start();
    }

    /// <summary>The pump whose thread this is, of whatever runtime.</summary>
    internal static Pump? Current => current;

    /// <summary>The strings of subjects. On the pump.</summary>
    internal SubjectTexts Subjects { get; } = new();

    /// <summary>Shows the payloads of commands. On the pump.</summary>
    internal NativePayload Payload { get; } = new();

    internal bool IsCurrentThread => Thread.CurrentThread == _thread;

    /// <summary>
    /// Whether no more events come. Who registers a node looks here afterwards: the end tells all
    /// nodes that are registered by then, and no others.
    /// </summary>
    internal bool HasEnded => _ended;

    internal ICollection<Raft> Nodes => _nodes.Values;

    /// <summary>Tokens number nodes from 1; 0 is the runtime itself.</summary>
    internal ulong NextToken() => Interlocked.Increment(ref _lastToken);

    internal void Register(ulong token, Raft node) => _nodes[token] = node;

    internal void Unregister(ulong token) => _nodes.TryRemove(token, out _);

    internal void Join() => _thread.Join();

    /// <summary>
    /// A node whose messages the host carries can be asked for its commands from now on; those
    /// announced before are looked for again.
    /// </summary>
    internal void OnAttached(Raft node)
    {
        _attached.Enqueue(node);
        RaftStatus status = NativeMethods.RuntimeWake(_handle);
        Debug.Assert(status == RaftStatus.Ok, "waking does not fail");
    }

    /// <summary>
    /// Messages wait to be handed over, which is done once for all of a round. On the pump.
    /// </summary>
    internal void AtEndOfRound(Inbound inbound) => _delivering.Add(inbound);

    /// <summary>
    /// Commands were taken. They are given back when what they led to is handed over, so that time
    /// moved by hand does not move in between. On the pump.
    /// </summary>
    internal void Keep(BatchHandle batch) => _carried.Add(batch);

    private void Run()
    {
        // One lease for the life of the thread: the handle cannot be freed under a running poll.
        using var lease = new Lease(_handle);
        current = this;
        Span<NrgReady.Unmanaged> events = stackalloc NrgReady.Unmanaged[EventRoom];
        try
        {
            while (true)
            {
                RaftStatus status = NativeMethods.RuntimePoll(
                    lease.Pointer, Nrg.NRG_TIMEOUT_INFINITE, events, out int count);
                if (status == RaftStatus.Shutdown)
                {
                    break;
                }

                ThrowHelper.Check(status, "poll");
                try
                {
                    foreach (ref readonly NrgReady.Unmanaged ready in events[..count])
                    {
                        Dispatch(ready.token, ready.ready_mask);
                    }

                    while (_attached.TryDequeue(out Raft? attached))
                    {
                        attached.OnReady(Nrg.NRG_READY_OUTBOUND);
                    }
                }
                finally
                {
                    EndRound();
                }
            }
        }
#pragma warning disable CA1031 // A bug of the dispatch ends the runtime's waits, not the process.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _runtime.OnPumpFailed(failure);
        }

        _ended = true;
        foreach (Raft node in _nodes.Values)
        {
            EndNode(node);
        }
    }

    /// <summary>
    /// Hands over what was delivered, to nodes of other runtimes too; then the commands are done.
    /// </summary>
    private void EndRound()
    {
        foreach (Inbound inbound in _delivering)
        {
            inbound.HandOver();
        }

        _delivering.Clear();
        foreach (BatchHandle batch in _carried)
        {
            batch.Dispose();
        }

        _carried.Clear();
    }

    /// <summary>Ends a node's waits; a consumer that throws must not keep the others'.</summary>
    private void EndNode(Raft node)
    {
        try
        {
            node.OnStopped();
        }
#pragma warning disable CA1031 // An inline continuation may throw anything.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _runtime.OnPumpFailed(failure);
        }
    }

    private void Dispatch(ulong token, uint mask)
    {
        if (token == 0)
        {
            _runtime.OnReady(mask);
        }
        else if (_nodes.TryGetValue(token, out Raft? node))
        {
            // A token that is not found belongs to a node that failed to open or is gone.
            node.OnReady(mask);
        }
    }
}
