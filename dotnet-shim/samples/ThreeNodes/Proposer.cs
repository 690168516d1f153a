using System.Buffers.Binary;
using System.Diagnostics;
using ZB.MOM.NatsNet.Server;

namespace ThreeNodes;

/// <summary>
/// Sends the lines to whoever leads, in batches, and reports each batch once it is applied on the
/// leader: committed, so synced on a quorum. After a change of leader it goes on after the last
/// line the new leader has applied.
/// </summary>
internal sealed class Proposer(
    Cluster cluster, InputLines input, int batchLines, int committed, TextWriter progress)
{
    /// <summary>Batches proposed and not yet committed, at most.</summary>
    private const int Window = 4;

    /// <summary>A batch is cut here, however few lines it has.</summary>
    private const int BatchBytes = 256 << 10;

    private readonly Queue<(int LastLine, long ProposedAt)> _outstanding = [];
    private readonly List<uint> _lengths = [];
    private byte[] _packed = new byte[BatchBytes];
    private Replica? _leader;
    private ulong _term;
    private int _proposed;

    /// <summary>The last line known to be committed.</summary>
    internal int Committed { get; private set; } = committed;

    /// <summary>
    /// Milliseconds from the proposal of each batch to its application on the leader.
    /// </summary>
    internal List<double> LatenciesMs { get; } = [];

    /// <summary>Proposes and waits until a line is committed.</summary>
    /// <param name="until">The line that has to be committed.</param>
    internal async Task RunToAsync(int until)
    {
        while (Committed < until)
        {
            if (!Leads())
            {
                await AdoptLeaderAsync();
                continue;
            }

            Fill(until);
            await cluster.UntilAsync(() => !Leads() || _leader!.Lines > Committed, "a commit");
            if (Leads())
            {
                Account();
            }
        }
    }

    /// <summary>Proposes more without waiting, so that something is under way.</summary>
    /// <param name="until">The last line to propose.</param>
    internal void Fill(int until)
    {
        while (Leads() && _outstanding.Count < Window && _proposed < until)
        {
            int last = Pack(_proposed + 1, until, out int bytes);
            RaftStatus status = _leader!.Node.TryProposeMulti(
                _term, _packed.AsMemory(0, bytes), _lengths.ToArray());
            if (status == RaftStatus.NotLeader)
            {
                return;
            }

            if (status != RaftStatus.Ok)
            {
                throw new RunFailedException(
                    $"the leader refused lines {_proposed + 1} to {last}: {status}");
            }

            _proposed = last;
            _outstanding.Enqueue((last, Stopwatch.GetTimestamp()));
        }
    }

    /// <summary>Waits for a leader and takes up after the last line it has applied.</summary>
    internal async Task AdoptLeaderAsync()
    {
        _leader = await cluster.WaitForLeaderAsync();
        _term = _leader.Leadership?.Term ?? 0;
        _outstanding.Clear();
        _proposed = _leader.Lines;
        if (_proposed < Committed)
        {
            throw new RunFailedException(
                $"{_leader.Id} leads with {_proposed} lines, but {Committed} were committed");
        }

        Commit(_proposed);
    }

    private bool Leads() => _leader?.Leadership is { } leadership && leadership.Term == _term
        && ReferenceEquals(cluster.Leader, _leader);

    private void Account()
    {
        long now = Stopwatch.GetTimestamp();
        int applied = _leader!.Lines;
        while (_outstanding.TryPeek(out (int LastLine, long ProposedAt) batch)
            && batch.LastLine <= applied)
        {
            _outstanding.Dequeue();
            LatenciesMs.Add(Stopwatch.GetElapsedTime(batch.ProposedAt, now).TotalMilliseconds);
        }

        Commit(applied);
    }

    private void Commit(int line)
    {
        if (line > Committed)
        {
            Committed = line;
            progress.WriteLine($"committed {line}");
            progress.Flush();
        }
    }

    private int Pack(int first, int until, out int bytes)
    {
        _lengths.Clear();
        bytes = 0;
        int number = first;
        do
        {
            ReadOnlySpan<byte> line = input[number];
            int length = LineState.HeaderLength + line.Length;
            if (_packed.Length - bytes < length)
            {
                Array.Resize(ref _packed, Math.Max(_packed.Length * 2, bytes + length));
            }

            BinaryPrimitives.WriteInt64LittleEndian(_packed.AsSpan(bytes), number);
            line.CopyTo(_packed.AsSpan(bytes + LineState.HeaderLength));
            _lengths.Add((uint)length);
            bytes += length;
            number++;
        }
        while (number <= until && number - first < batchLines && bytes < BatchBytes);

        return number - 1;
    }
}
