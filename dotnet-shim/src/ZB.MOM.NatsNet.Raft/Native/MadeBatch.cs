using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Item = ZB.MOM.NatsNet.Server.Native.NrgBatchItem.Unmanaged;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>The memory of a batch that no engine made: the records, then their bytes.</summary>
internal sealed unsafe class MadeBatch : SafeHandleZeroOrMinusOneIsInvalid
{
    private MadeBatch(nuint size)
        : base(ownsHandle: true) => SetHandle((IntPtr)NativeMemory.AllocZeroed(size));

    internal static ApplyBatch From(
        IReadOnlyList<(ulong Index, IReadOnlyList<Entry> Entries)> committed)
    {
        int count = committed.Sum(static one => Math.Max(one.Entries.Count, 1));
        long bytes = committed.Sum(
            static one => one.Entries.Sum(static entry => (long)entry.Data.Length));

        // One byte more: an empty batch owns memory too, so that disposing it is like any other.
        var made = new MadeBatch(checked((nuint)(count * sizeof(Item)) + (nuint)bytes + 1));
        var items = (Item*)made.handle;
        byte* data = (byte*)(items + count);
        int at = 0;
        foreach ((ulong index, IReadOnlyList<Entry> entries) in committed)
        {
            if (entries.Count == 0)
            {
                uint flags = index == 0
                    ? Nrg.NRG_ITEM_NIL_GUARD
                    : Nrg.NRG_ITEM_EMPTY | Nrg.NRG_ITEM_FIRST_OF_INDEX;
                items[at++] = new Item { index = index, flags = flags };
            }

            uint first = index == 0 ? Nrg.NRG_ITEM_CATCHUP : Nrg.NRG_ITEM_FIRST_OF_INDEX;
            foreach (Entry entry in entries)
            {
                entry.Data.Span.CopyTo(new Span<byte>(data, entry.Data.Length));
                items[at++] = new Item
                {
                    index = index,
                    data_ptr = (IntPtr)data,
                    data_len = (nuint)entry.Data.Length,
                    entry_type = (uint)entry.Type,
                    flags = first,
                };
                data += entry.Data.Length;
                first = 0;
            }
        }

        return new ApplyBatch(made, items, count);
    }

    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        return true;
    }
}
