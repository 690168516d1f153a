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

    private void SetFrozen(Raft node, bool frozen)
    {
        ArgumentNullException.ThrowIfNull(node);
        ThrowHelper.Check(
            NativeMethods.LoopbackFreeze(_handle, node.Handle, frozen),
            nameof(Freeze),
            node.Group());
    }
}
