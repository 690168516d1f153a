using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// An in-process network: nodes opened on it reach each other, across runtimes of the process too,
/// and it can be cut. For demonstrations, tests and embedding. Every method may be called from any
/// thread.
/// </summary>
public sealed class LoopbackNetwork : IDisposable
{
    private readonly LoopbackHandle _handle;

    /// <summary>Makes a network without partitions.</summary>
    /// <exception cref="DllNotFoundException">The native library was not found.</exception>
    /// <exception cref="RaftException">The native library has another ABI.</exception>
    public LoopbackNetwork()
    {
        RaftRuntime.CheckAbi();
        ThrowHelper.Check(NativeMethods.LoopbackOpen(out LoopbackHandle? handle), "open a network");
        _handle = handle!;
    }

    /// <summary>The native object.</summary>
    internal LoopbackHandle Handle => _handle;

    /// <summary>Releases the network. Nodes on it keep it as long as they need it.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>Puts a server into a partition. Servers of one number reach each other.</summary>
    /// <param name="peer">The server's id.</param>
    /// <param name="partition">The partition; 0 is the one all start in.</param>
    public void SetPartition(string peer, int partition)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        ulong id = PeerIds.Parse(peer, nameof(peer));
        ThrowHelper.Check(
            NativeMethods.LoopbackSetPartition(_handle, id, (uint)partition), nameof(SetPartition));
    }

    /// <summary>Brings a server back to the others.</summary>
    /// <param name="peer">The server's id.</param>
    public void Heal(string peer) => SetPartition(peer, 0);

    /// <summary>
    /// Stops a node's inputs, timers and commands, as if its process were suspended. Calls that
    /// command it wait until <see cref="Unfreeze"/>. Reading and proposing do not wait, nor do
    /// stopping, deleting and disposing, which end a frozen node as it stands.
    /// </summary>
    /// <param name="node">A node of this network.</param>
    public void Freeze(Raft node) => SetFrozen(node, frozen: true);

    /// <summary>Lets a frozen node go on.</summary>
    /// <param name="node">A node of this network.</param>
    public void Unfreeze(Raft node) => SetFrozen(node, frozen: false);

    /// <summary>
    /// Cuts servers off, all together, right after each message that matches and before the next;
    /// without any the messages are only counted. Replaces the rule before. Needs the testing
    /// flavour of the library.
    /// </summary>
    /// <param name="pattern">The subject, with NATS wildcards.</param>
    /// <param name="additionBy">
    /// Only after an append entry of this leader whose one entry adds a peer; null for all.
    /// </param>
    /// <param name="peers">Who is cut off.</param>
    internal void CutOffAfter(string pattern, string? additionBy, params ReadOnlySpan<string> peers)
    {
        ulong leader = additionBy is null ? 0 : PeerIds.Parse(additionBy, nameof(additionBy));
        ulong[] ids = new ulong[peers.Length];
        uint[] partitions = new uint[peers.Length];
        for (int at = 0; at < peers.Length; at++)
        {
            (ids[at], partitions[at]) = (PeerIds.Parse(peers[at], nameof(peers)), 1);
        }

        ThrowHelper.Check(
            NativeMethods.TestSetRule(_handle, pattern, leader, ids, partitions),
            nameof(CutOffAfter));
    }

    /// <summary>How often the rule of <see cref="CutOffAfter"/> has acted.</summary>
    internal ulong CutsMade()
    {
        ThrowHelper.Check(NativeMethods.TestRuleFired(_handle, out ulong count), nameof(CutsMade));
        return count;
    }

    private void SetFrozen(Raft node, bool frozen)
    {
        ArgumentNullException.ThrowIfNull(node);
        ThrowHelper.Check(
            NativeMethods.LoopbackFreeze(_handle, node.Handle, frozen),
            nameof(Freeze),
            node.Group());
    }
}
