using System.Buffers.Binary;
using System.Security.Cryptography;

namespace ThreeNodes;

/// <summary>The lines of a file, held once; a line is its bytes without the line feed.</summary>
internal sealed class InputLines
{
    private readonly byte[] _bytes;
    private readonly List<int> _ends = [];

    private InputLines(byte[] bytes)
    {
        _bytes = bytes;
        for (int at = 0; at < bytes.Length;)
        {
            int length = bytes.AsSpan(at).IndexOf((byte)'\n');
            int end = length < 0 ? bytes.Length : at + length;
            _ends.Add(end);
            at = end + 1;
        }
    }

    internal int Count => _ends.Count;

    /// <summary>A line by its number, counted from 1.</summary>
    internal ReadOnlySpan<byte> this[int number]
    {
        get
        {
            int start = number == 1 ? 0 : _ends[number - 2] + 1;
            return _bytes.AsSpan(start, _ends[number - 1] - start);
        }
    }

    internal static InputLines Read(string path) => new(File.ReadAllBytes(path));

    /// <summary>
    /// The hash a replica must have after the first <paramref name="count"/> lines.
    /// </summary>
    internal string HashOfFirst(int count)
    {
        using var state = new LineState();
        for (int number = 1; number <= count; number++)
        {
            state.Apply(number, this[number]);
        }

        return state.Hash();
    }
}

/// <summary>
/// The replicated state: how many lines were applied and a hash over all of them. Applying a line
/// twice changes nothing, so a proposer may send again what it is not sure of.
/// </summary>
internal sealed class LineState : IDisposable
{
    /// <summary>An entry is the line's number, eight bytes little-endian, and the line.</summary>
    internal const int HeaderLength = 8;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>The last line applied; 0 before the first.</summary>
    internal int Lines { get; private set; }

    /// <summary>How often a line came again.</summary>
    internal int Repeats { get; private set; }

    public void Dispose() => _hash.Dispose();

    internal void Apply(int number, ReadOnlySpan<byte> line)
    {
        if (number <= Lines)
        {
            Repeats++;
            return;
        }

        if (number != Lines + 1)
        {
            throw new RunFailedException($"line {number} was applied after line {Lines}");
        }

        Span<byte> header = stackalloc byte[HeaderLength + sizeof(int)];
        BinaryPrimitives.WriteInt64LittleEndian(header, number);
        BinaryPrimitives.WriteInt32LittleEndian(header[HeaderLength..], line.Length);
        _hash.AppendData(header);
        _hash.AppendData(line);
        Lines = number;
    }

    internal string Hash() => Convert.ToHexStringLower(_hash.GetCurrentHash());
}
