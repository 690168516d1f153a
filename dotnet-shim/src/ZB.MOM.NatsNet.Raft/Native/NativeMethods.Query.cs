namespace ZB.MOM.NatsNet.Server.Native;

internal static unsafe partial class NativeMethods
{
    internal static RaftStatus NodeStatus(NodeHandle node, out NrgNodeState.Unmanaged status)
    {
        using var lease = new Lease(node);
        NrgNodeState.Unmanaged read = default;
        read.struct_size = (uint)sizeof(NrgNodeState.Unmanaged);
        int outcome = Interop.nrg_node_status(lease.Pointer, (IntPtr)(&read));
        status = read;
        return (RaftStatus)outcome;
    }

    /// <summary>The members' records, in an array of their exact number.</summary>
    internal static RaftStatus NodePeers(NodeHandle node, out NrgPeer.Unmanaged[] peers)
    {
        const int Usual = 9;
        using var lease = new Lease(node);
        peers = new NrgPeer.Unmanaged[Usual];
        while (true)
        {
            nuint count = 0;
            RaftStatus status;
            fixed (NrgPeer.Unmanaged* room = peers)
            {
                status = (RaftStatus)Interop.nrg_node_peers(
                    lease.Pointer, (IntPtr)room, (nuint)peers.Length, (IntPtr)(&count));
            }

            // A peer may join between the two calls of a large group.
            if (status != RaftStatus.BufferTooSmall)
            {
                Array.Resize(ref peers, checked((int)count));
                return status;
            }

            peers = new NrgPeer.Unmanaged[checked((int)count)];
        }
    }

    internal static RaftStatus NodeLastHeard(NodeHandle node, ulong peer, out ulong unixNanos)
    {
        using var lease = new Lease(node);
        ulong heard = 0;
        int status = Interop.nrg_node_last_heard(lease.Pointer, peer, (IntPtr)(&heard));
        unixNanos = heard;
        return (RaftStatus)status;
    }

    internal static RaftStatus NodeCheckHealth(NodeHandle node, out bool healthy)
    {
        using var lease = new Lease(node);
        uint answer = 0;
        int status = Interop.nrg_node_check_health(lease.Pointer, (IntPtr)(&answer));
        healthy = answer != 0;
        return (RaftStatus)status;
    }

    /// <summary>Why the node failed for good; Ok and an empty text when it has not.</summary>
    internal static (RaftStatus Code, string Text) NodeWriteError(NodeHandle node)
    {
        using var lease = new Lease(node);
        IntPtr pointer = lease.Pointer;
        int code = 0;
        int* codeOut = &code;
        string text = Text((buffer, length, needed)
            => Interop.nrg_node_write_error(pointer, (IntPtr)codeOut, buffer, length, needed));
        return ((RaftStatus)code, text);
    }

    /// <summary>A batch of one log record; null when nothing went wrong.</summary>
    internal static RaftStatus NodeLastProblem(NodeHandle node, out BatchHandle? batch)
    {
        using var lease = new Lease(node);
        IntPtr read = IntPtr.Zero;
        int status = Interop.nrg_node_last_problem(lease.Pointer, (IntPtr)(&read));
        batch = read == IntPtr.Zero ? null : new BatchHandle(read);
        return (RaftStatus)status;
    }
}
