using System.Text;
using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>The messages of the protocol as JSON objects, through the engine's own codec.</summary>
internal static class Wire
{
    internal const string AppendEntry = "append_entry";
    internal const string AppendEntryResponse = "append_entry_response";
    internal const string VoteRequest = "vote_request";
    internal const string VoteResponse = "vote_response";
    internal const string PeerState = "peer_state";
    internal const string SnapshotFile = "snapshot_file";
    internal const string TermVote = "term_vote";

    /// <summary>The fields that hold an id, in whichever kind of message.</summary>
    private static readonly string[] IdFields = ["leader", "peer", "candidate", "vote"];

    /// <summary>The wire bytes of a message that must have some.</summary>
    internal static byte[] Encode(string name, JsonObject message, string group = "")
    {
        (RaftStatus status, byte[] bytes) = TryEncode(name, message, group);
        status.ShouldBe(RaftStatus.Ok, $"{name} {message}");
        return bytes;
    }

    internal static (RaftStatus Status, byte[] Bytes) TryEncode(
        string name, JsonObject message, string group = "")
        => Run(
            NrgConstants.NRG_TEST_CODEC_ENCODE,
            name,
            group,
            Encoding.UTF8.GetBytes(message.ToJsonString()));

    /// <summary>The fields of a message that must be one.</summary>
    internal static JsonObject Decode(string name, ReadOnlySpan<byte> bytes, string group = "")
    {
        (RaftStatus status, JsonObject? message) = TryDecode(name, bytes, group);
        status.ShouldBe(RaftStatus.Ok, $"{name} {Vectors.Hex(bytes)}");
        return message!;
    }

    internal static (RaftStatus Status, JsonObject? Message) TryDecode(
        string name, ReadOnlySpan<byte> bytes, string group = "")
    {
        (RaftStatus status, byte[] json) =
            Run(NrgConstants.NRG_TEST_CODEC_DECODE, name, group, bytes);
        return (status, status == RaftStatus.Ok ? JsonNode.Parse(json)!.AsObject() : null);
    }

    /// <summary>
    /// The same message with one spelling of ids: as hex, even if they came as text.
    /// </summary>
    internal static JsonObject Canonical(JsonObject message)
    {
        var canonical = new JsonObject();
        foreach ((string name, JsonNode? value) in message)
        {
            if (IdFields.Contains(name))
            {
                canonical[$"{name}_hex"] =
                    Vectors.Hex(Encoding.UTF8.GetBytes(value!.GetValue<string>()));
            }
            else
            {
                canonical[name] = value?.DeepClone();
            }
        }

        return canonical;
    }

    private static (RaftStatus Status, byte[] Output) Run(
        uint operation, string name, string group, ReadOnlySpan<byte> input)
    {
        byte[] output = new byte[4096];
        RaftStatus status =
            NativeMethods.TestCodec(operation, name, group, input, output, out int needed);
        if (status == RaftStatus.BufferTooSmall)
        {
            output = new byte[needed];
            status = NativeMethods.TestCodec(operation, name, group, input, output, out needed);
        }

        return (status, status == RaftStatus.Ok ? output[..needed] : []);
    }
}
