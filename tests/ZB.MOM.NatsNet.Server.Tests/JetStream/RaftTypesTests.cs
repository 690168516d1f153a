using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.JetStream;

/// <summary>
/// The codec through the ABI against bytes that the server's own encoders made: our bytes are
/// the server's, our values are the server's, and what the server refuses is refused.
/// </summary>
public class RaftTypesTests
{
    public static TheoryData<string> AppendEntries => Vectors.Names("append-entry.json");

    public static TheoryData<string> AppendEntryResponses
        => Vectors.Names("append-entry-response.json");

    public static TheoryData<string> VoteRequests => Vectors.Names("vote-request.json");

    public static TheoryData<string> VoteResponses => Vectors.Names("vote-response.json");

    public static TheoryData<string> PeerStates => Vectors.Names("peer-state.json");

    public static TheoryData<string> SnapshotFiles => Vectors.Names("snapshot-file.json");

    public static TheoryData<string> TermVotes => Vectors.Names("term-vote.json");

    public static TheoryData<string> Malformed => Vectors.Names("malformed.json");

    public static TheoryData<string> ServerNames => Vectors.Names("node-id.json");

    [RaftTheory]
    [MemberData(nameof(AppendEntries))]
    public void AppendEntry_OfTheGoldenVectors_IsTheServersBothWays(string name)
    {
        foreach (JsonElement item in Vectors.Named("append-entry.json", name))
        {
            JsonObject fields = Pick(item, "term", "commit", "pterm", "pindex", "lterm");
            fields["entries"] = Entries(item, expand: true);
            if (item.Text("encode_error") is { } error)
            {
                fields["leader"] = item.Text("leader");
                Wire.TryEncode(Wire.AppendEntry, fields).Status.ShouldBe(StatusOf(error));
                continue;
            }

            fields["leader_hex"] = item.DecodedIdHex("leader");
            byte[] message = item.Message();

            JsonNodesEqual(Wire.Canonical(Wire.Decode(Wire.AppendEntry, message)), fields);
            if (!item.Flag("decode_only"))
            {
                Wire.Encode(Wire.AppendEntry, fields).ShouldBe(message);
                fields["entries"] = Entries(item, expand: false);
                Wire.Encode(Wire.AppendEntry, fields).ShouldBe(message);
            }
        }
    }

    [RaftTheory]
    [MemberData(nameof(AppendEntryResponses))]
    public void AppendEntryResponse_OfTheGoldenVectors_IsTheServersBothWays(string name)
        => BothWays(
            "append-entry-response.json",
            name,
            Wire.AppendEntryResponse,
            "peer",
            "term",
            "index",
            "success");

    [RaftTheory]
    [MemberData(nameof(VoteRequests))]
    public void VoteRequest_OfTheGoldenVectors_IsTheServersBothWays(string name)
        => BothWays(
            "vote-request.json",
            name,
            Wire.VoteRequest,
            "candidate",
            "term",
            "last_term",
            "last_index");

    [RaftTheory]
    [MemberData(nameof(VoteResponses))]
    public void VoteResponse_OfTheGoldenVectors_IsTheServersBothWays(string name)
        => BothWays(
            "vote-response.json", name, Wire.VoteResponse, "peer", "term", "granted", "empty");

    [RaftTheory]
    [MemberData(nameof(PeerStates))]
    public void PeerState_OfTheGoldenVectors_IsTheServersBothWays(string name)
    {
        foreach (JsonElement item in Vectors.Named("peer-state.json", name))
        {
            JsonObject fields = Pick(item, "cluster_size", "domain_ext");
            fields["peers_hex"] = PeersHex(item);
            byte[] message = item.Message();

            JsonNodesEqual(Wire.Decode(Wire.PeerState, message), fields);
            if (!item.Flag("decode_only"))
            {
                Wire.Encode(Wire.PeerState, fields).ShouldBe(message);
            }
        }
    }

    [RaftTheory]
    [MemberData(nameof(SnapshotFiles))]
    public void SnapshotFile_OfTheGoldenVectors_IsTheServersBothWays(string name)
    {
        foreach (JsonElement item in Vectors.Named("snapshot-file.json", name))
        {
            string group = item.Text("group")!;
            byte[] message = item.Message();

            // A case with a load_error is well-formed: the loader refuses it, not the codec.
            JsonObject fields = Pick(item, "last_term", "last_index", "peer_state_hex");
            fields["data_hex"] = Vectors.Hex(item.Data());

            Wire.Encode(Wire.SnapshotFile, fields, group).ShouldBe(message);
            JsonNodesEqual(Wire.Decode(Wire.SnapshotFile, message, group), fields);
            Vectors.Hex(message.AsSpan(message.Length - 8)).ShouldBe(item.Text("checksum_hex"));
        }
    }

    [RaftTheory]
    [MemberData(nameof(TermVotes))]
    public void TermVote_OfTheGoldenVectors_IsReadAsTheServerReadsIt(string name)
    {
        foreach (JsonElement item in Vectors.Named("term-vote.json", name))
        {
            byte[] message = item.Flag("file_missing") ? [] : item.Message();
            JsonObject read = Wire.Decode(Wire.TermVote, message);

            read["term"]!.GetValue<ulong>().ShouldBe(item.GetProperty("read_term").GetUInt64());

            // Differs from the server: a vote is eight bytes, what follows is ignored; the server
            // takes all of it and crashes when it writes that vote again.
            string vote = item.Text("read_vote")!;
            read["vote"]!.GetValue<string>().ShouldBe(vote[..Math.Min(8, vote.Length)]);
            if (!item.Flag("decode_only") && item.Text("vote") is { Length: 0 or 8 } written)
            {
                JsonObject fields = Pick(item, "term");
                fields["vote"] = written;
                Wire.Encode(Wire.TermVote, fields).ShouldBe(message);
            }
        }
    }

    [RaftTheory]
    [MemberData(nameof(Malformed))]
    public void Decode_OfADamagedMessage_YieldsOrRefusesAsTheServerDoes(string name)
    {
        foreach (JsonElement item in Vectors.Named("malformed.json", name))
        {
            (RaftStatus status, JsonObject? read) =
                Wire.TryDecode(item.Text("decoder")!, item.Message());

            if (item.Flag("reference_panics"))
            {
                // The server indexes out of range here; the engine says no.
                status.ShouldBe(RaftStatus.SnapshotCorrupt);
            }
            else if (item.GetProperty("accepted").GetBoolean())
            {
                status.ShouldBe(RaftStatus.Ok);
                var expected = JsonNode.Parse(item.GetProperty("decoded").GetRawText())!.AsObject();
                JsonNodesEqual(Wire.Canonical(read!), Wire.Canonical(expected));
            }
            else
            {
                status.ShouldBe(StatusOf(item.Text("error")!));
            }
        }
    }

    [RaftTheory]
    [MemberData(nameof(ServerNames))]
    public void NodeId_OfAServerName_IsTheServers(string name)
    {
        foreach (JsonElement item in Vectors.Named("node-id.json", name))
        {
            Ids.OfServer(item.Text("server_name")!).ShouldBe(item.Text("node_id"));
        }
    }

    [RaftFact]
    public void Decode_OfAnUnknownMessage_IsNotFound()
        => Wire.TryDecode("no_such_message", []).Status.ShouldBe(RaftStatus.NotFound);

    private static void BothWays(
        string file, string name, string message, string id, params string[] plain)
    {
        foreach (JsonElement item in Vectors.Named(file, name))
        {
            JsonObject fields = Pick(item, plain);
            fields[$"{id}_hex"] = item.DecodedIdHex(id);
            byte[] bytes = item.Message();

            JsonNodesEqual(Wire.Canonical(Wire.Decode(message, bytes)), fields);
            if (!item.Flag("decode_only"))
            {
                Wire.Encode(message, fields).ShouldBe(bytes);
            }
        }
    }

    private static JsonObject Pick(JsonElement item, params string[] names)
    {
        var picked = new JsonObject();
        foreach (string name in names)
        {
            picked[name] = JsonNode.Parse(item.GetProperty(name).GetRawText());
        }

        return picked;
    }

    private static JsonArray PeersHex(JsonElement item)
    {
        if (item.TryGetProperty("decoded_peers_hex", out JsonElement decoded))
        {
            return JsonNode.Parse(decoded.GetRawText())!.AsArray();
        }

        IEnumerable<JsonNode?> peers = item.GetProperty("peers").EnumerateArray()
            .Select(peer => (JsonNode?)Vectors.Hex(Encoding.UTF8.GetBytes(peer.GetString()!)));
        return [.. peers];
    }

    /// <summary>The entries of a case; one with a count stands for so many.</summary>
    private static JsonArray Entries(JsonElement item, bool expand)
    {
        var entries = new JsonArray();
        foreach (JsonElement entry in item.GetProperty("entries").EnumerateArray())
        {
            string data = Vectors.Hex(entry.Data());
            int count = entry.TryGetProperty("count", out JsonElement number)
                ? number.GetInt32()
                : 1;
            for (int time = 0; time < (expand ? count : 1); time++)
            {
                var made = new JsonObject
                {
                    ["type"] = entry.GetProperty("type").GetInt32(),
                    ["data_hex"] = data,
                };
                if (!expand)
                {
                    made["count"] = count;
                }

                entries.Add((JsonNode)made);
            }
        }

        return entries;
    }

    private static RaftStatus StatusOf(string error) => error switch
    {
        "bad_append_entry" => RaftStatus.BadAppendEntry,
        "malformed" => RaftStatus.Malformed,
        "corrupt_peers" => RaftStatus.CorruptPeers,
        "snapshot_corrupt" => RaftStatus.SnapshotCorrupt,
        "leader_len" => RaftStatus.LeaderLen,
        "too_many_entries" => RaftStatus.TooManyEntries,
        _ => throw new ArgumentOutOfRangeException(
            nameof(error), error, "not an error of the vectors"),
    };

    private static void JsonNodesEqual(JsonObject actual, JsonObject expected)
        => JsonNode.DeepEquals(actual, expected)
            .ShouldBeTrue($"{Short(actual)} is not {Short(expected)}");

    private static string Short(JsonObject node)
    {
        string text = node.ToJsonString();
        return text.Length <= 1000 ? text : $"{text[..1000]}…";
    }
}
