using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// Peer ids between the ABI (eight bytes in memory order, held by an integer) and C# (a string of
/// eight characters, one for each byte). Each id's string is made once.
/// </summary>
internal static class PeerIds
{
    internal const int Length = 8;

    private static readonly ConcurrentDictionary<ulong, string> Known = new();

    /// <summary>The id's string; empty for 0, which names no peer.</summary>
    internal static string Text(ulong id)
        => id == 0 ? "" : Known.TryGetValue(id, out string? text) ? text : Add(id);

    /// <summary>The id's bytes; throws when the string is no id.</summary>
    internal static ulong Parse(string id, string parameter)
    {
        ArgumentNullException.ThrowIfNull(id, parameter);
        if (!TryParse(id, out ulong parsed))
        {
            throw new ArgumentException($"raft: illegal peer: \"{id}\"", parameter);
        }

        return parsed;
    }

    /// <summary>The id's bytes; false when the string is no id, 0 for the empty one.</summary>
    internal static bool TryParse(string id, out ulong parsed)
    {
        parsed = 0;
        Span<byte> bytes = stackalloc byte[Length];
        return id.Length == Length
            && Encoding.Latin1.TryGetBytes(id, bytes, out _)
            && IsExact(id, bytes)
            && (parsed = MemoryMarshal.Read<ulong>(bytes)) != 0;
    }

    // Latin-1 encodes a character it does not have as a question mark.
    private static bool IsExact(string id, ReadOnlySpan<byte> bytes)
    {
        for (int at = 0; at < Length; at++)
        {
            if (id[at] != bytes[at])
            {
                return false;
            }
        }

        return true;
    }

    private static string Add(ulong id)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in id));
        return Known.GetOrAdd(id, Encoding.Latin1.GetString(bytes));
    }
}
