using System.Text;
using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// White-box access to a running node, between two of its turns, frozen or not: the same fields and
/// methods as a <see cref="DetachedNode"/> has, under the reference's names.
/// </summary>
internal static unsafe class LiveNode
{
    /// <summary>Everything inside the node now.</summary>
    internal static NodeState Inside(this Raft node)
    {
        using var lease = new Lease(node.Handle);
        IntPtr taken = IntPtr.Zero;
        Check(Interop.nrg_test_live_dump(lease.Pointer, (IntPtr)(&taken)), "dump");
        return NodeState.Parse(Text(taken));
    }

    /// <summary>Writes fields, past all rules of the protocol.</summary>
    internal static void Set(this Raft node, JsonObject patch)
    {
        using var lease = new Lease(node.Handle);
        byte[] text = Encoding.UTF8.GetBytes(patch.ToJsonString());
        fixed (byte* start = text)
        {
            Check(
                Interop.nrg_test_live_set(lease.Pointer, (IntPtr)start, (nuint)text.Length),
                $"set {patch}");
        }
    }

    /// <summary>Calls a method of the node by the reference's name in snake case.</summary>
    internal static JsonNode? Call(this Raft node, string method, params JsonNode?[] arguments)
    {
        using var lease = new Lease(node.Handle);
        byte[] name = Encoding.UTF8.GetBytes(method);
        byte[] text = Encoding.UTF8.GetBytes(new JsonArray(arguments).ToJsonString());
        IntPtr taken = IntPtr.Zero;
        fixed (byte* nameStart = name)
        fixed (byte* start = text)
        {
            int status = Interop.nrg_test_live_call(
                lease.Pointer,
                (IntPtr)nameStart,
                (nuint)name.Length,
                (IntPtr)start,
                (nuint)text.Length,
                (IntPtr)(&taken));
            Check(status, method);
        }

        return JsonNode.Parse(Text(taken));
    }

    /// <summary>Hands the node an append entry as if it came on the group's subject.</summary>
    internal static void Live(this Raft node, AppendEntry ae)
        => node.Call("process_append_entry", Vectors.Hex(ae.Encode()), "live", "");

    /// <summary>Hands the node an append entry as if it were read from its own log.</summary>
    internal static void Replay(this Raft node, AppendEntry ae)
        => node.Call("process_append_entry", Vectors.Hex(ae.Encode()), "replay", "");

    private static void Check(int status, string operation)
        => ThrowHelper.Check((RaftStatus)status, operation);

    private static string Text(IntPtr taken)
    {
        using var batch = new BatchHandle(taken);
        NrgBatchItem.Unmanaged* item = NativeMethods.BatchItems(batch, out int count);
        count.ShouldBe(1);
        return Encoding.UTF8.GetString((byte*)item->data_ptr, checked((int)item->data_len));
    }
}
