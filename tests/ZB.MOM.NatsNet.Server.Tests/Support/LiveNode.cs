using System.Text.Json.Nodes;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// White-box access to a node, driven or detached, frozen or not, between two of its turns.
/// </summary>
internal static class LiveNode
{
    /// <summary>Everything inside the node now.</summary>
    internal static NodeState Inside(this Raft node) => NodeState.Parse(node.Dump());

    /// <summary>Writes fields, past all rules of the protocol.</summary>
    internal static void Set(this Raft node, JsonObject patch) => node.Set(patch.ToJsonString());

    /// <summary>Hands the node an append entry as if it came on the group's subject.</summary>
    internal static void Live(this Raft node, AppendEntry ae)
        => node.ProcessAppendEntry(ae, AppendEntryOrigin.Live);

    /// <summary>Hands the node an append entry as if it were read from its own log.</summary>
    internal static void Replay(this Raft node, AppendEntry ae)
        => node.ProcessAppendEntry(ae, AppendEntryOrigin.Replay);
}
