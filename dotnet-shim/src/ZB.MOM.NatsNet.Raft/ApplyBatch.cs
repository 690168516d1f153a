using System.Collections;
using System.Runtime.InteropServices;
using ZB.MOM.NatsNet.Server.Native;
using Item = ZB.MOM.NatsNet.Server.Native.NrgBatchItem.Unmanaged;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// A run of committed entries, read in place in the engine's memory. Dispose it when done, best by
/// <c>using</c>, which also keeps it alive that long: until then it holds that memory. For one
/// consumer; after disposal every access throws.
/// </summary>
public sealed class ApplyBatch : IDisposable, IEnumerable<CommittedEntry>
{
    private readonly SafeHandle _handle;
    private readonly unsafe Item* _items;
    private readonly int _count;

    /// <param name="handle">Owns the memory of the items and of their data.</param>
    /// <param name="items">The first item.</param>
    /// <param name="count">How many there are.</param>
    internal unsafe ApplyBatch(SafeHandle handle, Item* items, int count)
    {
        _handle = handle;
        _items = items;
        _count = count;
    }

    /// <summary>
    /// The highest log index of the batch, to be reported with <see cref="IRaftNode.Processed"/>;
    /// 0 when it holds markers only.
    /// </summary>
    public ulong LastIndex
    {
        get
        {
            for (int at = _count - 1; at >= 0; at--)
            {
                ulong index = Read(at).index;
                if (index != 0)
                {
                    return index;
                }
            }

            return 0;
        }
    }

    /// <summary>
    /// How many records the engine handed over: entries, markers and empty indexes.
    /// </summary>
    internal int RecordCount => _count;

    /// <summary>
    /// Makes a batch without an engine, for hosts that test their own code against a substitute of
    /// <see cref="IRaftApplyQueue"/>. The bytes are copied.
    /// </summary>
    /// <param name="committed">
    /// What was committed at each index. Index 0 without entries is the nil guard, index 0 with one
    /// <see cref="EntryType.Catchup"/> entry the marker of a catch-up.
    /// </param>
    /// <returns>A batch like those of the engine.</returns>
    public static ApplyBatch Create(
        params IReadOnlyList<(ulong Index, IReadOnlyList<Entry> Entries)> committed)
    {
        ArgumentNullException.ThrowIfNull(committed);
        return MadeBatch.From(committed);
    }

    /// <summary>Releases the engine's memory. May be repeated.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>Goes through the committed entries in order, without allocation.</summary>
    /// <returns>The enumerator.</returns>
    public Enumerator GetEnumerator() => new(this);

    IEnumerator<CommittedEntry> IEnumerable<CommittedEntry>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>One record; throws when the batch is disposed.</summary>
    /// <param name="at">Its place, below <see cref="RecordCount"/>.</param>
    /// <returns>
    /// A copy: a reference into the engine's memory would not keep the batch from the collector.
    /// </returns>
    internal unsafe Item Read(int at)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)at, (uint)_count, nameof(at));
        Item item = _items[at];

        // This may be the caller's last use of the batch; its memory ends with it.
        GC.KeepAlive(this);
        return item;
    }

    /// <summary>How many records belong to the log index that begins at a place.</summary>
    /// <param name="start">Where it begins.</param>
    /// <returns>At least one.</returns>
    private int RunLength(int start)
    {
        int end = start + 1;
        while (end < _count && (Read(end).flags & Boundary) == 0)
        {
            end++;
        }

        return end - start;
    }

    private const uint Boundary =
        Nrg.NRG_ITEM_FIRST_OF_INDEX | Nrg.NRG_ITEM_NIL_GUARD | Nrg.NRG_ITEM_CATCHUP;

    /// <summary>Walks over the committed entries of a batch.</summary>
    public struct Enumerator : IEnumerator<CommittedEntry>
    {
        private readonly ApplyBatch _batch;
        private int _start;
        private int _length;

        internal Enumerator(ApplyBatch batch) => _batch = batch;

        /// <summary>The committed entry the enumerator stands on.</summary>
        public readonly CommittedEntry Current => new(_batch, _start, _length);

        readonly object IEnumerator.Current => Current;

        /// <summary>Goes to the next one.</summary>
        /// <returns>False at the end.</returns>
        public bool MoveNext()
        {
            _start += _length;
            if (_start >= _batch._count)
            {
                _length = 0;
                return false;
            }

            _length = _batch.RunLength(_start);
            return true;
        }

        /// <summary>Goes back before the first one.</summary>
        public void Reset()
        {
            _start = 0;
            _length = 0;
        }

        /// <summary>Does nothing; the batch is disposed by whoever took it.</summary>
        public readonly void Dispose()
        {
        }
    }
}

/// <summary>
/// What was committed at one log index, or a marker between such. A view into an
/// <see cref="ApplyBatch"/>: hold the batch as long as it is read, then dispose the batch; every
/// access after that throws.
/// </summary>
public readonly struct CommittedEntry : IEnumerable<EntryView>
{
    private readonly ApplyBatch _batch;
    private readonly int _start;
    private readonly int _length;

    internal CommittedEntry(ApplyBatch batch, int start, int length)
    {
        _batch = batch;
        _start = start;
        _length = length;
    }

    /// <summary>The log index; 0 for a marker.</summary>
    public ulong Index => First.index;

    /// <summary>
    /// The end of the replay at start-up, or of a catch-up that began with a
    /// <see cref="EntryType.Catchup"/> marker. Has no entries.
    /// </summary>
    public bool IsNilGuard => (First.flags & Nrg.NRG_ITEM_NIL_GUARD) != 0;

    /// <summary>
    /// How many entries were committed. May be 0; an index above 0 must still be reported.
    /// </summary>
    public int Count
        => (First.flags & (Nrg.NRG_ITEM_NIL_GUARD | Nrg.NRG_ITEM_EMPTY)) == 0 ? _length : 0;

    private Item First => _batch.Read(_start);

    /// <summary>Goes through the entries in order, without allocation.</summary>
    /// <returns>The enumerator.</returns>
    public Enumerator GetEnumerator() => new(_batch, _start, Count);

    IEnumerator<EntryView> IEnumerable<EntryView>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Walks over the entries of one log index.</summary>
    public struct Enumerator : IEnumerator<EntryView>
    {
        private readonly ApplyBatch _batch;
        private readonly int _first;
        private readonly int _count;
        private int _at;

        internal Enumerator(ApplyBatch batch, int first, int count)
        {
            _batch = batch;
            _first = first;
            _count = count;
            _at = -1;
        }

        /// <summary>The entry the enumerator stands on.</summary>
        public readonly EntryView Current => new(_batch, _first + _at);

        readonly object IEnumerator.Current => Current;

        /// <summary>Goes to the next one.</summary>
        /// <returns>False at the end.</returns>
        public bool MoveNext()
        {
            if (_at + 1 >= _count)
            {
                return false;
            }

            _at++;
            return true;
        }

        /// <summary>Goes back before the first one.</summary>
        public void Reset() => _at = -1;

        /// <summary>Does nothing; the batch is disposed by whoever took it.</summary>
        public readonly void Dispose()
        {
        }
    }
}

/// <summary>
/// One committed entry, read in place. Its batch has to be held as long as it is read, spans of its
/// <see cref="Data"/> included, and disposed then; every access after that throws.
/// </summary>
public readonly struct EntryView
{
    private readonly ApplyBatch _batch;
    private readonly int _at;

    internal EntryView(ApplyBatch batch, int at)
    {
        _batch = batch;
        _at = at;
    }

    /// <summary>
    /// What the entry is for; a code the engine does not know is passed on as it is.
    /// </summary>
    public EntryType Type => (EntryType)_batch.Read(_at).entry_type;

    /// <summary>
    /// The entry's bytes, in the engine's memory. The span must not outlive the batch and does not
    /// keep it: a batch that nobody refers to any more is released by the collector, under the
    /// span. Use <see cref="ToArray"/> for bytes that live longer.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The batch is disposed.</exception>
    public unsafe ReadOnlySpan<byte> Data
    {
        get
        {
            Item item = _batch.Read(_at);
            return new ReadOnlySpan<byte>((void*)item.data_ptr, checked((int)item.data_len));
        }
    }

    /// <summary>Copies the entry's bytes.</summary>
    /// <returns>A new array.</returns>
    public byte[] ToArray()
    {
        byte[] copy = Data.ToArray();

        // The batch may have no other holder than this copy of the view.
        GC.KeepAlive(_batch);
        return copy;
    }
}
