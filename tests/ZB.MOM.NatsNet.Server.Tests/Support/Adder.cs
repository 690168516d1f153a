namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>What a member of a test group builds from the log.</summary>
internal interface IStateMachine
{
    /// <summary>Takes what was committed at one index, or a marker.</summary>
    void Apply(CommittedEntry committed);

    /// <summary>Forgets everything: the member was restarted and its log comes again.</summary>
    void Restart();
}

/// <summary>
/// The server's adder: one signed sum, deltas as zig-zag variable-length integers.
/// </summary>
internal sealed class Adder : IStateMachine
{
    internal long Sum { get; private set; }

    /// <summary>The bytes of a delta, or of a sum in a snapshot.</summary>
    internal static byte[] Encode(long value)
    {
        ulong zigZag = (ulong)((value << 1) ^ (value >> 63));
        var bytes = new List<byte>();
        while (zigZag >= 0x80)
        {
            bytes.Add((byte)(zigZag | 0x80));
            zigZag >>= 7;
        }

        bytes.Add((byte)zigZag);
        return [.. bytes];
    }

    public void Apply(CommittedEntry committed)
    {
        foreach (EntryView entry in committed)
        {
            if (entry.Type == EntryType.Normal)
            {
                Sum += Decode(entry.Data);
            }
            else if (entry.Type == EntryType.Snapshot)
            {
                Sum = Decode(entry.Data);
            }
        }
    }

    public void Restart() => Sum = 0;

    private static long Decode(ReadOnlySpan<byte> bytes)
    {
        ulong zigZag = 0;
        for (int at = 0; at < bytes.Length; at++)
        {
            zigZag |= (ulong)(bytes[at] & 0x7F) << (7 * at);
        }

        return (long)(zigZag >> 1) ^ -(long)(zigZag & 1);
    }
}
