using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// Strings of native subjects. A group speaks on the same few over and over, so those seen last
/// are kept, each at the place its bytes hash to. For one thread.
/// </summary>
internal sealed unsafe class SubjectTexts
{
    private const int Places = 1024;

    private readonly (byte[] Bytes, string Text)[] _known = new (byte[], string)[Places];

    internal string Text(IntPtr start, nuint length)
    {
        if (length == 0)
        {
            return "";
        }

        var bytes = new ReadOnlySpan<byte>((void*)start, checked((int)length));
        var hash = default(HashCode);
        hash.AddBytes(bytes);
        ref (byte[] Bytes, string Text) place = ref _known[(uint)hash.ToHashCode() % Places];
        if (place.Bytes is null || !bytes.SequenceEqual(place.Bytes))
        {
            place = (bytes.ToArray(), Encoding.UTF8.GetString(bytes));
        }

        return place.Text;
    }
}
