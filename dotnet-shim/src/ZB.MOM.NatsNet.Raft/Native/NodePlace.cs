using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>A group's configuration as the ABI takes it, with the texts it points to.</summary>
internal sealed class NodePlace
{
    internal unsafe NodePlace(RaftConfig config, ulong token)
    {
        GroupName = Encoding.UTF8.GetBytes(config.Name);
        StoreRoot = Encoding.UTF8.GetBytes(Path.GetFullPath(config.StoreRoot));
        Config = new NrgNodeConfig.Unmanaged
        {
            struct_size = (uint)sizeof(NrgNodeConfig.Unmanaged),
            flags = Flags(config),
            token = token,
            peer_id = PeerIds.Parse(config.PeerId, nameof(RaftConfig.PeerId)),
            group_name_len = (nuint)GroupName.Length,
            store_root_len = (nuint)StoreRoot.Length,
            log_kind = config.Log == RaftLogKind.Memory ? Nrg.NRG_LOG_MEMORY : Nrg.NRG_LOG_FILE,
        };
    }

    internal byte[] GroupName { get; }

    internal byte[] StoreRoot { get; }

    /// <summary>The struct without its pointers, which exist only during a call.</summary>
    internal NrgNodeConfig.Unmanaged Config { get; }

    private static uint Flags(RaftConfig config)
        => (config.Managed ? Nrg.NRG_NODE_MANAGED : 0)
        | (config.Observer ? Nrg.NRG_NODE_OBSERVER : 0)
        | (config.Recovering ? Nrg.NRG_NODE_RECOVERING : 0)
        | (config.ScaleUp ? Nrg.NRG_NODE_SCALE_UP : 0)
        | (config.Track ? Nrg.NRG_NODE_TRACK : 0);
}
