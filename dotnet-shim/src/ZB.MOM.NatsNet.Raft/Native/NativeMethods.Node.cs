namespace ZB.MOM.NatsNet.Server.Native;

internal static unsafe partial class NativeMethods
{
    internal static RaftStatus Bootstrap(
        NodePlace place,
        ReadOnlySpan<ulong> peers,
        bool allPeersKnown,
        uint routes,
        uint gatewayUrls)
    {
        NrgNodeConfig.Unmanaged config = place.Config;
        fixed (byte* name = place.GroupName)
        fixed (byte* root = place.StoreRoot)
        fixed (ulong* known = peers)
        {
            config.group_name_ptr = (IntPtr)name;
            config.store_root_ptr = (IntPtr)root;
            uint flags = allPeersKnown ? Nrg.NRG_BOOTSTRAP_ALL_PEERS_KNOWN : 0;
            return (RaftStatus)Interop.nrg_bootstrap(
                (IntPtr)(&config), (IntPtr)known, (nuint)peers.Length, flags, routes, gatewayUrls);
        }
    }

    internal static RaftStatus NodeOpen(
        RuntimeHandle runtime, NodePlace place, LoopbackHandle? network, out NodeHandle? node)
    {
        using Lease networkLease = network is null ? default : new Lease(network);
        NrgNodeConfig.Unmanaged config = place.Config;
        IntPtr opened = IntPtr.Zero;
        int status;
        bool held = false;
        node = null;
        try
        {
            // The call's lease, which becomes the node's: opening may take long, and nothing may
            // fail between the end of the call and the node having its owner.
            runtime.DangerousAddRef(ref held);
            fixed (byte* name = place.GroupName)
            fixed (byte* root = place.StoreRoot)
            {
                config.group_name_ptr = (IntPtr)name;
                config.store_root_ptr = (IntPtr)root;
                config.loopback = networkLease.Pointer;
                config.transport = network is null
                    ? Nrg.NRG_TRANSPORT_HOST
                    : Nrg.NRG_TRANSPORT_LOOPBACK;
                status = Interop.nrg_node_open(
                    runtime.DangerousGetHandle(), (IntPtr)(&config), (IntPtr)(&opened));
            }

            node = opened == IntPtr.Zero ? null : new NodeHandle(opened, runtime);
        }
        finally
        {
            if (held && node is null)
            {
                runtime.DangerousRelease();
            }
        }

        return (RaftStatus)status;
    }

    internal static RaftStatus NodeStop(NodeHandle node)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_stop(lease.Pointer);
    }

    internal static RaftStatus NodeDelete(NodeHandle node)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_delete(lease.Pointer);
    }

    internal static RaftStatus NodeFree(IntPtr node) => (RaftStatus)Interop.nrg_node_free(node);

    internal static RaftStatus NodePropose(NodeHandle node, ulong term, ReadOnlySpan<byte> data)
    {
        using var lease = new Lease(node);
        fixed (byte* start = data)
        {
            return (RaftStatus)Interop.nrg_node_propose(
                lease.Pointer, term, (IntPtr)start, (nuint)data.Length);
        }
    }

    /// <summary>Proposes an entry whose outcome will be told under a tag.</summary>
    internal static RaftStatus NodeProposeAwaited(
        NodeHandle node, ulong term, ReadOnlySpan<byte> data, ulong tag)
    {
        using var lease = new Lease(node);
        fixed (byte* start = data)
        {
            return (RaftStatus)Interop.nrg_node_propose_awaited(
                lease.Pointer, term, (IntPtr)start, (nuint)data.Length, tag);
        }
    }

    /// <summary>Takes the outcomes of awaited proposals, as many as there is room for.</summary>
    internal static RaftStatus NodeOutcomesTake(
        NodeHandle node, Span<NrgProposalOutcome.Unmanaged> outcomes, out int count)
    {
        using var lease = new Lease(node);
        nuint taken = 0;
        int status;
        fixed (NrgProposalOutcome.Unmanaged* room = outcomes)
        {
            status = Interop.nrg_node_outcomes_take(
                lease.Pointer, (IntPtr)room, (nuint)outcomes.Length, (IntPtr)(&taken));
        }

        count = (int)taken;
        return (RaftStatus)status;
    }

    /// <summary>Proposes packed entries; without types they are all Normal.</summary>
    internal static RaftStatus NodeProposeBatch(
        NodeHandle node,
        ulong term,
        ReadOnlySpan<byte> packed,
        ReadOnlySpan<uint> lengths,
        ReadOnlySpan<byte> types = default)
    {
        using var lease = new Lease(node);
        fixed (byte* data = packed)
        fixed (uint* sizes = lengths)
        fixed (byte* kinds = types)
        {
            return (RaftStatus)Interop.nrg_node_propose_batch(
                lease.Pointer,
                term,
                (IntPtr)data,
                (nuint)packed.Length,
                (IntPtr)sizes,
                (IntPtr)kinds,
                (nuint)lengths.Length);
        }
    }

    internal static RaftStatus NodeForwardProposal(NodeHandle node, ReadOnlySpan<byte> data)
    {
        using var lease = new Lease(node);
        fixed (byte* start = data)
        {
            return (RaftStatus)Interop.nrg_node_forward_proposal(
                lease.Pointer, (IntPtr)start, (nuint)data.Length);
        }
    }

    /// <summary>
    /// Takes committed entries; the pointer to the batch is null when there are none.
    /// </summary>
    internal static RaftStatus NodeApplyTake(
        NodeHandle node, int maxItems, int maxBytes, out BatchHandle? batch)
    {
        using var lease = new Lease(node);
        IntPtr taken = IntPtr.Zero;
        int status = Interop.nrg_node_apply_take(
            lease.Pointer, (nuint)maxItems, (nuint)maxBytes, (IntPtr)(&taken));
        batch = taken == IntPtr.Zero ? null : new BatchHandle(taken);
        return (RaftStatus)status;
    }

    /// <summary>The records of a batch; valid until it is released.</summary>
    internal static NrgBatchItem.Unmanaged* BatchItems(BatchHandle batch, out int count)
    {
        using var lease = new Lease(batch);
        nuint found = 0;
        IntPtr items = Interop.nrg_batch_items(lease.Pointer, (IntPtr)(&found));
        count = checked((int)found);
        return (NrgBatchItem.Unmanaged*)items;
    }

    internal static RaftStatus BatchFree(IntPtr batch) => (RaftStatus)Interop.nrg_batch_free(batch);

    internal static RaftStatus NodeProcessed(
        NodeHandle node, ulong index, ulong applied, out ulong entries, out ulong bytes)
    {
        using var lease = new Lease(node);
        ulong countedEntries = 0;
        ulong countedBytes = 0;
        int status = Interop.nrg_node_processed(
            lease.Pointer, index, applied, (IntPtr)(&countedEntries), (IntPtr)(&countedBytes));
        entries = countedEntries;
        bytes = countedBytes;
        return (RaftStatus)status;
    }

    internal static RaftStatus NodeApplyPause(NodeHandle node)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_apply_pause(lease.Pointer);
    }

    internal static RaftStatus NodeApplyResume(NodeHandle node)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_apply_resume(lease.Pointer);
    }

    internal static RaftStatus NodeLeadChangeTake(NodeHandle node, out LeadChange? change)
    {
        using var lease = new Lease(node);
        uint present = 0;
        uint isLeader = 0;
        ulong term = 0;
        int status = Interop.nrg_node_lead_change_take(
            lease.Pointer, (IntPtr)(&present), (IntPtr)(&isLeader), (IntPtr)(&term));
        change = present != 0 ? new LeadChange(isLeader != 0, term) : null;
        return (RaftStatus)status;
    }

    internal static RaftStatus NodeStepDown(NodeHandle node, ReadOnlySpan<ulong> preferred)
    {
        using var lease = new Lease(node);
        fixed (ulong* ids = preferred)
        {
            return (RaftStatus)Interop.nrg_node_step_down(
                lease.Pointer, (IntPtr)ids, (nuint)preferred.Length);
        }
    }

    internal static RaftStatus NodeCampaign(NodeHandle node, bool immediately)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_campaign(
            lease.Pointer, immediately ? Nrg.NRG_CAMPAIGN_IMMEDIATELY : 0);
    }

    internal static RaftStatus NodeSetObserver(NodeHandle node, bool observer)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_set_observer(lease.Pointer, observer ? 1u : 0u);
    }

    internal static RaftStatus NodeProposeAddPeer(NodeHandle node, ulong peer)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_propose_add_peer(lease.Pointer, peer);
    }

    internal static RaftStatus NodeProposeRemovePeer(NodeHandle node, ulong peer)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_propose_remove_peer(lease.Pointer, peer);
    }

    /// <summary>Evicts peers; those that were are the first ones of the span then.</summary>
    internal static RaftStatus NodeEvictPeers(NodeHandle node, Span<ulong> peers, out int evicted)
    {
        using var lease = new Lease(node);
        nuint count = 0;
        fixed (ulong* ids = peers)
        {
            int status = Interop.nrg_node_evict_peers(
                lease.Pointer, (IntPtr)ids, (nuint)peers.Length, (IntPtr)ids, (IntPtr)(&count));
            evicted = checked((int)count);
            return (RaftStatus)status;
        }
    }

    internal static RaftStatus NodeRescueQuorum(
        NodeHandle node, uint quorum, out uint previous, out uint current)
    {
        using var lease = new Lease(node);
        uint before = 0;
        uint now = 0;
        int status = Interop.nrg_node_rescue_quorum(
            lease.Pointer, quorum, (IntPtr)(&before), (IntPtr)(&now));
        previous = before;
        current = now;
        return (RaftStatus)status;
    }

    internal static RaftStatus NodeAdjustClusterSize(NodeHandle node, uint size, bool boot)
    {
        using var lease = new Lease(node);
        return (RaftStatus)Interop.nrg_node_adjust_cluster_size(
            lease.Pointer, size, boot ? Nrg.NRG_ADJUST_BOOT : 0);
    }
}
