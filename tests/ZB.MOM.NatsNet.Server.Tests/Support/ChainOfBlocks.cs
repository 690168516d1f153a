using System.Text.Json;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// The server's chain of blocks: a running CRC-32 over the data of all blocks, which differs
/// when a block is lost, doubled or out of order.
/// </summary>
internal sealed class ChainOfBlocks : IStateMachine
{
    private readonly string _member;
    private readonly Random _data;
    private uint _crc = uint.MaxValue;
    private int _proposed;
    private int _sinceSnapshot;

    internal ChainOfBlocks(string member)
    {
        _member = member;
        _data = new Random(member.Sum(letter => letter));
    }

    /// <summary>How many blocks were applied.</summary>
    internal int Blocks { get; private set; }

    /// <summary>Whether the replay at the start has ended.</summary>
    internal bool Ready { get; private set; }

    internal string Hash
        => (~_crc).ToString("X8", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The next block of this member, 1 to 10240 random bytes.</summary>
    internal byte[] NextBlock()
    {
        byte[] data = new byte[_data.Next(1, 10_241)];
        _data.NextBytes(data);
        return JsonSerializer.SerializeToUtf8Bytes(new Block(_member, ++_proposed, data));
    }

    public void Apply(CommittedEntry committed)
    {
        Ready |= committed.IsNilGuard;
        foreach (EntryView entry in committed)
        {
            switch (entry.Type)
            {
                case EntryType.Normal:
                    Block block = JsonSerializer.Deserialize<Block>(entry.Data)!;
                    foreach (byte next in block.Data)
                    {
                        _crc = Step(_crc, next);
                    }

                    Blocks++;
                    _sinceSnapshot++;
                    break;
                case EntryType.Snapshot:
                    Snapshot snapshot = JsonSerializer.Deserialize<Snapshot>(entry.Data)!;
                    (_crc, Blocks, _sinceSnapshot) = (snapshot.HashData, snapshot.BlocksCount, 0);
                    break;
                case EntryType.Catchup:
                    break;
                default:
                    throw new InvalidOperationException(
                        $"a {entry.Type} entry in a chain of blocks");
            }
        }
    }

    /// <summary>
    /// Takes the state as a snapshot; nothing when it has not changed since the last one, or while
    /// the replay at the start goes on.
    /// </summary>
    internal byte[]? TakeSnapshot()
    {
        if (!Ready || _sinceSnapshot == 0)
        {
            return null;
        }

        _sinceSnapshot = 0;
        return JsonSerializer.SerializeToUtf8Bytes(new Snapshot(_member, _crc, Blocks));
    }

    public void Restart()
    {
        _crc = uint.MaxValue;
        Blocks = 0;
        Ready = false;
    }

    private static uint Step(uint crc, byte next)
    {
        crc ^= next;
        for (int bit = 0; bit < 8; bit++)
        {
            crc = (crc >> 1) ^ ((crc & 1) * 0xEDB8_8320);
        }

        return crc;
    }

    private sealed record Block(string Proposer, int ProposerSequence, byte[] Data);

    private sealed record Snapshot(string SourceNode, uint HashData, int BlocksCount);
}

/// <summary>What a test does with a member that chains blocks.</summary>
internal static class ChainOfBlocksMember
{
    /// <summary>Installs the member's state as its snapshot, if there is anything new.</summary>
    internal static void CreateSnapshot(this Member<ChainOfBlocks> member)
    {
        if (member.State.TakeSnapshot() is { } snapshot)
        {
            member.Node.InstallSnapshot(snapshot, force: false);
        }
    }
}
