using System.Text.Json;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

// The messages of the protocol as the port's tests handle them. Each encodes and decodes with the
// engine's own codec (nrg_test_codec), which needs the testing build of the library.

/// <summary>A leader's entries, or a heartbeat.</summary>
internal sealed class AppendEntry
{
    private const string Codec = "append_entry";

    internal string Leader { get; set; } = "";

    internal ulong Term { get; set; }

    internal ulong Commit { get; set; }

    internal ulong PTerm { get; set; }

    internal ulong PIndex { get; set; }

    internal ulong LTerm { get; set; }

    internal List<Entry> Entries { get; init; } = [];

    internal byte[] Encode() => Encode([]).ToArray();

    /// <summary>
    /// Encodes into a buffer if the result fits, else leaves it alone and allocates.
    /// </summary>
    internal ReadOnlySpan<byte> Encode(Span<byte> buffer)
        => WireCodec.Encode(Codec, buffer, json =>
        {
            WireCodec.WriteId(json, "leader", Leader);
            json.WriteNumber("term", Term);
            json.WriteNumber("commit", Commit);
            json.WriteNumber("pterm", PTerm);
            json.WriteNumber("pindex", PIndex);
            json.WriteNumber("lterm", LTerm);
            json.WriteStartArray("entries");
            foreach (Entry entry in Entries)
            {
                json.WriteStartObject();
                json.WriteNumber("type", (byte)entry.Type);
                json.WriteString("data_hex", Convert.ToHexStringLower(entry.Data.Span));
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });

    internal static AppendEntry Decode(ReadOnlySpan<byte> bytes)
    {
        using JsonDocument json = WireCodec.Decode(Codec, bytes);
        JsonElement fields = json.RootElement;
        return new AppendEntry
        {
            Leader = WireCodec.ReadId(fields, "leader"),
            Term = fields.GetProperty("term").GetUInt64(),
            Commit = fields.GetProperty("commit").GetUInt64(),
            PTerm = fields.GetProperty("pterm").GetUInt64(),
            PIndex = fields.GetProperty("pindex").GetUInt64(),
            LTerm = fields.GetProperty("lterm").GetUInt64(),
            Entries =
            [
                .. fields.GetProperty("entries").EnumerateArray().Select(static entry => new Entry(
                    (EntryType)entry.GetProperty("type").GetByte(),
                    Convert.FromHexString(entry.GetProperty("data_hex").GetString() ?? ""))),
            ],
        };
    }
}

/// <summary>A follower's answer to an append entry.</summary>
internal sealed record AppendEntryResponse(ulong Term, ulong Index, string Peer, bool Success)
{
    private const string Codec = "append_entry_response";

    internal byte[] Encode() => WireCodec.Encode(Codec, [], json =>
    {
        json.WriteNumber("term", Term);
        json.WriteNumber("index", Index);
        WireCodec.WriteId(json, "peer", Peer);
        json.WriteBoolean("success", Success);
    }).ToArray();

    internal static AppendEntryResponse Decode(ReadOnlySpan<byte> bytes)
    {
        using JsonDocument json = WireCodec.Decode(Codec, bytes);
        JsonElement fields = json.RootElement;
        return new AppendEntryResponse(
            fields.GetProperty("term").GetUInt64(),
            fields.GetProperty("index").GetUInt64(),
            WireCodec.ReadId(fields, "peer"),
            fields.GetProperty("success").GetBoolean());
    }
}

/// <summary>A candidate's request.</summary>
internal sealed record VoteRequest(ulong Term, ulong LastTerm, ulong LastIndex, string Candidate)
{
    private const string Codec = "vote_request";

    internal byte[] Encode() => WireCodec.Encode(Codec, [], json =>
    {
        json.WriteNumber("term", Term);
        json.WriteNumber("last_term", LastTerm);
        json.WriteNumber("last_index", LastIndex);
        WireCodec.WriteId(json, "candidate", Candidate);
    }).ToArray();

    internal static VoteRequest Decode(ReadOnlySpan<byte> bytes)
    {
        using JsonDocument json = WireCodec.Decode(Codec, bytes);
        JsonElement fields = json.RootElement;
        return new VoteRequest(
            fields.GetProperty("term").GetUInt64(),
            fields.GetProperty("last_term").GetUInt64(),
            fields.GetProperty("last_index").GetUInt64(),
            WireCodec.ReadId(fields, "candidate"));
    }
}

/// <summary>A peer's vote.</summary>
internal sealed record VoteResponse(ulong Term, string Peer, bool Granted, bool Empty)
{
    private const string Codec = "vote_response";

    internal byte[] Encode() => WireCodec.Encode(Codec, [], json =>
    {
        json.WriteNumber("term", Term);
        WireCodec.WriteId(json, "peer", Peer);
        json.WriteBoolean("granted", Granted);
        json.WriteBoolean("empty", Empty);
    }).ToArray();

    internal static VoteResponse Decode(ReadOnlySpan<byte> bytes)
    {
        using JsonDocument json = WireCodec.Decode(Codec, bytes);
        JsonElement fields = json.RootElement;
        return new VoteResponse(
            fields.GetProperty("term").GetUInt64(),
            WireCodec.ReadId(fields, "peer"),
            fields.GetProperty("granted").GetBoolean(),
            fields.GetProperty("empty").GetBoolean());
    }
}

/// <summary>A membership list.</summary>
internal sealed class PeerState
{
    private const string Codec = "peer_state";

    internal uint ClusterSize { get; init; }

    internal List<string> KnownPeers { get; init; } = [];

    internal ushort DomainExt { get; init; }

    internal byte[] Encode() => WireCodec.Encode(Codec, [], json =>
    {
        json.WriteNumber("cluster_size", ClusterSize);
        json.WriteStartArray("peers_hex");
        foreach (string peer in KnownPeers)
        {
            json.WriteStringValue(WireCodec.IdHex(peer));
        }

        json.WriteEndArray();
        json.WriteNumber("domain_ext", DomainExt);
    }).ToArray();

    internal static PeerState Decode(ReadOnlySpan<byte> bytes)
    {
        using JsonDocument json = WireCodec.Decode(Codec, bytes);
        JsonElement fields = json.RootElement;
        return new PeerState
        {
            ClusterSize = fields.GetProperty("cluster_size").GetUInt32(),
            KnownPeers =
            [
                .. fields.GetProperty("peers_hex").EnumerateArray()
                    .Select(static peer => WireCodec.IdOfHex(peer.GetString() ?? "")),
            ],
            DomainExt = fields.GetProperty("domain_ext").GetUInt16(),
        };
    }
}
