using System.Buffers;
using System.Text;
using System.Text.Json;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// The engine's codec as the tests use it: JSON on one side, wire bytes on the other. An id is text
/// of one byte for each character, of any length here.
/// </summary>
internal static class WireCodec
{
    /// <summary>
    /// Encodes into a buffer if the result fits, else leaves it alone and allocates.
    /// </summary>
    internal static ReadOnlySpan<byte> Encode(
        string codec, Span<byte> buffer, Action<Utf8JsonWriter> write)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Run(Nrg.NRG_TEST_CODEC_ENCODE, codec, text.WrittenSpan, buffer);
    }

    /// <summary>Decodes wire bytes; throws what the engine says about bad ones.</summary>
    internal static JsonDocument Decode(string codec, ReadOnlySpan<byte> bytes)
        => JsonDocument.Parse(Run(Nrg.NRG_TEST_CODEC_DECODE, codec, bytes, []).ToArray());

    internal static void WriteId(Utf8JsonWriter json, string name, string id)
        => json.WriteString(name + "_hex", IdHex(id));

    internal static string ReadId(JsonElement fields, string name)
        => fields.TryGetProperty(name + "_hex", out JsonElement hex)
            ? IdOfHex(hex.GetString() ?? "")
            : fields.GetProperty(name).GetString() ?? "";

    internal static string IdHex(string id)
        => Convert.ToHexStringLower(Encoding.Latin1.GetBytes(id));

    internal static string IdOfHex(string hex)
        => Encoding.Latin1.GetString(Convert.FromHexString(hex));

    private static Span<byte> Run(
        uint operation, string codec, ReadOnlySpan<byte> input, Span<byte> buffer)
    {
        RaftStatus status = NativeMethods.TestCodec(
            operation, codec, "", input, buffer, out int needed);
        if (status == RaftStatus.BufferTooSmall)
        {
            buffer = new byte[needed];
            status = NativeMethods.TestCodec(operation, codec, "", input, buffer, out needed);
        }

        string verb = operation == Nrg.NRG_TEST_CODEC_ENCODE ? "encode" : "decode";
        ThrowHelper.Check(status, $"{verb} {codec}");
        return buffer[..needed];
    }
}
