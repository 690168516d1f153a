using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// The engine: its threads, its stores and the nodes opened in it. Several runtimes in one process
/// are independent. Every method may be called from any thread.
/// </summary>
/// <remarks>
/// Dispose the nodes first, then the runtime; disposing the runtime stops nodes that still run. A
/// runtime that is not disposed lives as long as the process.
/// </remarks>
public sealed class RaftRuntime : IAsyncDisposable, IDisposable
{
    /// <summary>Makes the native node of a place.</summary>
    private delegate RaftStatus Opening(NodePlace place, out NodeHandle? node);

    private readonly RuntimeHandle _handle;
    private readonly Pump _pump;
    private readonly RaftLog _log;
    private readonly RaftMeter _meter;
    private readonly Lock _gate = new();
    private Task? _ending;
    private volatile Exception? _failure;
    private long _messagesLost;

    /// <summary>Starts an engine.</summary>
    /// <param name="options">The options; null takes the defaults.</param>
    /// <exception cref="DllNotFoundException">The native library was not found.</exception>
    /// <exception cref="RaftException">The native library has another ABI.</exception>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public RaftRuntime(RaftRuntimeOptions? options = null)
    {
        CheckAbi();
        options ??= new RaftRuntimeOptions();
        InlineContinuations = options.InlineContinuations;
        NrgRuntimeConfig.Unmanaged config = RuntimeConfigs.From(options);
        ThrowHelper.Check(
            NativeMethods.RuntimeOpen(in config, out IntPtr opened), "open a runtime");
        _handle = new RuntimeHandle(opened);
        try
        {
            SetTiming(options.Timing);
            ILoggerFactory loggers = options.LoggerFactory ?? NullLoggerFactory.Instance;
            _log = new RaftLog(loggers.CreateLogger(RaftLog.Category));
            _meter = new RaftMeter(options.MeterFactory, this);
            _pump = new Pump(this, _handle);
        }
        catch
        {
            _meter?.Dispose();
            _handle.Dispose();
            throw;
        }

        _log.Started(NativeMethods.BuildInfo(), NativeLibraryLoader.ResolvedPath ?? "linked in");
    }

    /// <summary>Whether consumers continue on the pump thread.</summary>
    internal bool InlineContinuations { get; }

    /// <summary>The native object.</summary>
    internal RuntimeHandle Handle => _handle;

    /// <summary>
    /// Writes the first peer state of a group, before its first open. Blocks on disk.
    /// </summary>
    /// <param name="config">The group; its name and store root are used.</param>
    /// <param name="knownPeers">The members known now.</param>
    /// <param name="allPeersKnown">Whether these are all members.</param>
    /// <param name="routes">The host's number of configured routes, when not all are known.</param>
    /// <param name="gatewayUrls">
    /// The host's number of addresses of other clusters' gateways.
    /// </param>
    /// <exception cref="RaftStorageException">The directory cannot be made or written.</exception>
    public static void Bootstrap(
        RaftConfig config,
        IReadOnlyList<string> knownPeers,
        bool allPeersKnown,
        int routes = 0,
        int gatewayUrls = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(knownPeers);
        ArgumentOutOfRangeException.ThrowIfNegative(routes);
        ArgumentOutOfRangeException.ThrowIfNegative(gatewayUrls);
        CheckAbi();
        ulong[] peers = [.. knownPeers.Select(peer => PeerIds.Parse(peer, nameof(knownPeers)))];
        ThrowHelper.Check(
            NativeMethods.Bootstrap(
                new NodePlace(config, token: 0),
                peers,
                allPeersKnown,
                (uint)routes,
                (uint)gatewayUrls),
            nameof(Bootstrap),
            config.Name);
    }

    /// <summary>Recovers a group from its directory and starts its node. Blocks on disk.</summary>
    /// <param name="config">The group, bootstrapped before.</param>
    /// <param name="network">What carries the group's messages.</param>
    /// <returns>The running node, to be disposed.</returns>
    /// <exception cref="RaftException">Already open, or the runtime is shut down.</exception>
    /// <exception cref="RaftFaultedException">
    /// The runtime has failed; the cause is inside.
    /// </exception>
    /// <exception cref="RaftStorageException">
    /// Not bootstrapped, or the files cannot be used.
    /// </exception>
    public Raft Open(RaftConfig config, LoopbackNetwork network)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(network);
        return Start(config, transport: null, (NodePlace place, out NodeHandle? node)
            => NativeMethods.NodeOpen(_handle, place, network.Handle, out node));
    }

    /// <summary>
    /// Recovers a group from its directory and starts its node, whose messages the host carries.
    /// Blocks on disk. The node begins its work once <see cref="SetRoutingReady"/> was called.
    /// </summary>
    /// <param name="config">The group, bootstrapped before.</param>
    /// <param name="transport">
    /// Carries the messages of this node alone, and is closed with it, also when opening fails.
    /// Null: nothing carries them, which is enough for a group of one.
    /// </param>
    /// <returns>The running node, to be disposed.</returns>
    /// <exception cref="RaftException">Already open, or the runtime is shut down.</exception>
    /// <exception cref="RaftFaultedException">
    /// The runtime has failed; the cause is inside.
    /// </exception>
    /// <exception cref="RaftStorageException">
    /// Not bootstrapped, or the files cannot be used.
    /// </exception>
    public Raft Open(RaftConfig config, IRaftTransport? transport)
    {
        ArgumentNullException.ThrowIfNull(config);
        return Start(
            config,
            transport ?? NoTransport.Instance,
            (NodePlace place, out NodeHandle? node)
                => NativeMethods.NodeOpen(_handle, place, network: null, out node));
    }

    /// <summary>
    /// Opens a node without a driver, for white-box tests: each call settles before it returns.
    /// Needs the testing build of the library and <see cref="RaftRuntimeOptions.ManualClock"/>.
    /// </summary>
    /// <param name="config">The group; bootstrapped before unless the node is hand-made.</param>
    /// <param name="flags">NRG_TEST_NODE_*: what a hand-made node does without.</param>
    internal Raft OpenDetached(RaftConfig config, uint flags = 0)
        => Start(config, transport: null, (NodePlace place, out NodeHandle? node)
            => NativeMethods.TestNodeOpen(_handle, place, flags, out node));

    private Raft Start(RaftConfig config, IRaftTransport? transport, Opening open)
    {
        ThrowIfFaulted(config.Name);
        ulong token = _pump.NextToken();
        var node = new Raft(this, config, token, transport);

        // Registered before it is open: its first event may come before the call returns.
        _pump.Register(token, node);
        NodeHandle? handle = null;
        try
        {
            // It has no members yet; what they say about the account comes with them.
            RaftTrafficAccount? account = transport is null ? null : Raft.Chosen(transport, []);
            RaftStatus status = open(new NodePlace(config, token), out handle);
            ThrowHelper.Check(status, nameof(Open), config.Name);
            if (account is not null)
            {
                status = NativeMethods.NodeSetTrafficAccount(handle!, account);
                ThrowHelper.Check(status, nameof(Open), config.Name);
            }

            node.Attach(handle!);
        }
        catch
        {
            // Whoever disposes the runtime meanwhile may wait for it.
            handle?.Dispose();
            node.OnStopped();
            _pump.Unregister(token);
            throw;
        }

        if (_pump.HasEnded)
        {
            // Nobody would ever tell this node anything.
            node.OnStopped();
            node.Dispose();
            ThrowIfFaulted(config.Name);
            ThrowHelper.Check(RaftStatus.Shutdown, nameof(Open), config.Name);
        }

        return node;
    }

#pragma warning disable RS0026 // The overloads differ in what is required.
    /// <summary>
    /// As <see cref="Open(RaftConfig, LoopbackNetwork)"/>, on a thread of the pool.
    /// </summary>
    /// <param name="config">The group, bootstrapped before.</param>
    /// <param name="network">What carries the group's messages.</param>
    /// <param name="cancellationToken">Keeps the work from starting; begun work goes on.</param>
    /// <returns>The running node, to be disposed.</returns>
    public Task<Raft> OpenAsync(
        RaftConfig config, LoopbackNetwork network, CancellationToken cancellationToken = default)
        => Task.Run(() => Open(config, network), cancellationToken);

    /// <summary>
    /// As <see cref="Open(RaftConfig, IRaftTransport?)"/>, on a thread of the pool.
    /// </summary>
    /// <param name="config">The group, bootstrapped before.</param>
    /// <param name="transport">Carries the messages of this node alone.</param>
    /// <param name="cancellationToken">Keeps the work from starting; begun work goes on.</param>
    /// <returns>The running node, to be disposed.</returns>
    public Task<Raft> OpenAsync(
        RaftConfig config, IRaftTransport? transport, CancellationToken cancellationToken = default)
        => Task.Run(() => Open(config, transport), cancellationToken);
#pragma warning restore RS0026

    /// <summary>Changes the timers; those that run already run out as they are.</summary>
    /// <param name="timing">The new timers.</param>
    public void SetTiming(RaftTiming timing)
    {
        ArgumentNullException.ThrowIfNull(timing);
        NrgTuning.Unmanaged tuning = RuntimeConfigs.From(timing);
        ThrowHelper.Check(NativeMethods.RuntimeSetTuning(_handle, in tuning), nameof(SetTiming));
    }

    /// <summary>Tells whether a server is online; a leader hands over only to such a one.</summary>
    /// <param name="peer">The server's id.</param>
    /// <param name="online">Whether it is.</param>
    public void SetPeerOnline(string peer, bool online)
    {
        ulong id = PeerIds.Parse(peer, nameof(peer));
        ThrowHelper.Check(
            NativeMethods.RuntimeSetPeerOnline(_handle, id, online), nameof(SetPeerOnline));
    }

    /// <summary>
    /// Tells whether a way to other servers exists; no campaign starts before that.
    /// </summary>
    /// <param name="ready">Whether there is one.</param>
    public void SetRoutingReady(bool ready)
        => ThrowHelper.Check(
            NativeMethods.RuntimeSetRoutingReady(_handle, ready), nameof(SetRoutingReady));

    /// <summary>
    /// Tells whether the server may store nothing more in logs of a kind. Nodes that track it (see
    /// <see cref="RaftConfig.Track"/>) then take no entries and start no campaign.
    /// </summary>
    /// <param name="memoryLogs">Logs in memory; else those in files.</param>
    /// <param name="exhausted">Whether it may store nothing more.</param>
    public void SetResourcesExhausted(bool memoryLogs, bool exhausted)
        => ThrowHelper.Check(
            NativeMethods.RuntimeSetResourceState(_handle, memoryLogs, exhausted),
            nameof(SetResourcesExhausted));

    /// <summary>
    /// Stops what still runs, waits for it and releases the engine. May be repeated. Blocks; on the
    /// pump thread (see <see cref="RaftRuntimeOptions.InlineContinuations"/>) it throws.
    /// </summary>
    /// <exception cref="InvalidOperationException">Called on the pump thread.</exception>
    public void Dispose()
    {
        if (_pump.IsCurrentThread)
        {
            throw new InvalidOperationException("a runtime cannot be disposed on its own pump");
        }

        EndAsync().GetAwaiter().GetResult();
    }

    /// <summary>As <see cref="Dispose"/>, without blocking the caller.</summary>
    /// <returns>The end of the runtime.</returns>
    public ValueTask DisposeAsync() => new(EndAsync());

    /// <summary>Throws when the library speaks another ABI than this shim.</summary>
    internal static void CheckAbi()
    {
        uint version = NativeMethods.AbiVersion();
        uint major = version >> 16;
        uint minor = version & 0xFFFF;
        if (major != NativeMethods.AbiMajor || minor < NativeMethods.AbiMinor)
        {
            throw new RaftException(
                $"the native library has ABI {major}.{minor}, this assembly needs "
                + $"{NativeMethods.AbiMajor}.{NativeMethods.AbiMinor}; it was loaded from "
                + $"{NativeLibraryLoader.ResolvedPath ?? "the program itself"}");
        }
    }

    /// <summary>The engine's counters; false when it is gone.</summary>
    internal bool TryReadMetrics(out NrgMetrics.Unmanaged metrics)
    {
        try
        {
            return NativeMethods.RuntimeMetrics(_handle, out metrics) == RaftStatus.Ok;
        }
        catch (ObjectDisposedException)
        {
            metrics = default;
            return false;
        }
    }

    /// <summary>Log records that the host's logger has thrown on.</summary>
    internal long LogRecordsLost => _log.Lost;

    /// <summary>
    /// Takes times of single syncs, oldest first, and says how many; 0 when the engine is gone.
    /// </summary>
    internal int TakeSyncTimes(Span<ulong> times)
    {
        try
        {
            RaftStatus status =
                NativeMethods.RuntimeSyncTimesTake(_handle, times, out int count);
            return status == RaftStatus.Ok ? count : 0;
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Something of the runtime itself is ready. On the pump.</summary>
    internal void OnReady(uint mask)
    {
        if ((mask & Nrg.NRG_READY_LOG) != 0)
        {
            DrainLogs();
        }

        if ((mask & Nrg.NRG_READY_METRICS) != 0)
        {
            _meter.RecordSyncTimes();
        }
    }

    /// <summary>A node failed for good. On the pump.</summary>
    internal void OnFault(Raft node, Exception? cause)
        => _log.NodeFailed(node.Group(), node.ID(), cause?.Message ?? "no reason given");

    /// <summary>A callback of the host on <see cref="IRaftNode.QuitC"/> has thrown.</summary>
    internal void OnCallbackFailed(Raft node, Exception failure)
        => _log.CallbackFailed(node.Group(), node.ID(), failure);

    /// <summary>Messages a transport has thrown on, or that came too fast for a node.</summary>
    internal long MessagesLost => Interlocked.Read(ref _messagesLost);

    /// <summary>A transport has thrown on a message; the first of a run is logged.</summary>
    internal void OnMessageLost(Raft node, string subject, Exception failure, bool isFirst)
    {
        Interlocked.Increment(ref _messagesLost);
        if (isFirst)
        {
            _log.MessageLost(node.Group(), node.ID(), subject, failure);
        }
    }

    /// <summary>A message for a node was dropped because too many wait.</summary>
    internal void OnInboundLost() => Interlocked.Increment(ref _messagesLost);

    /// <summary>A transport has thrown on something else than a message.</summary>
    internal void OnTransportFailed(Raft node, string operation, Exception failure)
        => _log.TransportFailed(node.Group(), node.ID(), operation, failure);

    /// <summary>A node whose messages the host carries has got its native object.</summary>
    internal void OnAttached(Raft node) => _pump.OnAttached(node);

    /// <summary>
    /// The pump met a bug and ends: without events no node may go on leading. On the pump.
    /// </summary>
    internal void OnPumpFailed(Exception failure)
    {
        _failure ??= failure;
        RaftStatus status = NativeMethods.RuntimeShutdown(_handle);
        Debug.Assert(status == RaftStatus.Ok, "a shutdown does not fail");
        _log.PumpFailed(failure);
    }

    /// <summary>Whether this is the thread that hands out the events.</summary>
    internal bool IsOnPump => _pump.IsCurrentThread;

    /// <summary>A node has ended and is released.</summary>
    internal void Forget(ulong token) => _pump.Unregister(token);

    /// <summary>
    /// Longer than a stop takes; a node that does not stop must not hang the host.
    /// </summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(10);

    private Task EndAsync()
    {
        lock (_gate)
        {
            return _ending ??= EndOnceAsync();
        }
    }

    private async Task EndOnceAsync()
    {
        // Off the caller's lock.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            await StopNodesAsync([.. _pump.Nodes]).ConfigureAwait(false);
            ThrowHelper.Check(NativeMethods.RuntimeShutdown(_handle), "shut down");
            await Task.Run(_pump.Join).ConfigureAwait(false);
            DrainLogs();
        }
        finally
        {
            _meter.Dispose();
            _handle.Dispose();
        }
    }

    private async Task StopNodesAsync(Raft[] nodes)
    {
        Task[] stops = Array.ConvertAll(nodes, static node => node.DisposeAsync().AsTask());
        await Task.WhenAll(stops).WaitAsync(StopPatience)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach ((Raft node, Task stop) in nodes.Zip(stops))
        {
            if (!stop.IsCompletedSuccessfully)
            {
                _log.NodeNotStopped(node.Group(), node.ID(), stop.Exception);
            }
        }
    }

    private void ThrowIfFaulted(string group)
    {
        if (_failure is { } failure)
        {
            throw new RaftFaultedException(
                $"{nameof(Open)} in group '{group}': the runtime has failed: {failure.Message}",
                RaftStatus.Faulted,
                group,
                failure);
        }
    }

    private void DrainLogs()
    {
        const int Most = 256;
        while (NativeMethods.RuntimeLogTake(_handle, Most, out BatchHandle? batch) == RaftStatus.Ok
            && batch is not null)
        {
            using (batch)
            {
                _log.Write(NativeMethods.LogRecords(batch));
            }
        }
    }

    /// <summary>Carries nothing, for a group of one.</summary>
    private sealed class NoTransport : IRaftTransport
    {
        internal static NoTransport Instance { get; } = new();

        public void Reset(RaftTrafficAccount account)
        {
        }

        public void Subscribe(RaftSubscription subscription)
        {
        }

        public void Unsubscribe(RaftSubscription subscription)
        {
        }

        public void Publish(string subject, string reply, ReadOnlyMemory<byte> payload)
        {
        }

        public void Close()
        {
        }
    }
}
