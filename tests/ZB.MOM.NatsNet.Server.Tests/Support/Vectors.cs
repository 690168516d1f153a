using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// The golden vectors: bytes made by the server's own encoders. Beside this assembly in
/// <c>vectors/</c>.
/// </summary>
internal static class Vectors
{
    /// <summary>The file as it is.</summary>
    internal static JsonElement Load(string file)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "vectors", file);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    /// <summary>The cases of a file, as many as it says it has.</summary>
    internal static IReadOnlyList<JsonElement> Cases(string file)
    {
        JsonElement root = Load(file);
        JsonElement[] cases = [.. root.GetProperty("cases").EnumerateArray()];
        cases.Length.ShouldBe(root.GetProperty("case_count").GetInt32(), file);
        return cases;
    }

    /// <summary>The names of the cases, as the arguments of a theory.</summary>
    internal static TheoryData<string> Names(string file)
        => [.. Cases(file).Select(item => item.GetProperty("name").GetString()!).Distinct()];

    /// <summary>The cases with a name; the server's names are not all different.</summary>
    internal static IEnumerable<JsonElement> Named(string file, string name)
        => Cases(file).Where(item => item.Text("name") == name);

    internal static bool Flag(this JsonElement item, string field)
        => item.TryGetProperty(field, out JsonElement found) && found.GetBoolean();

    internal static string? Text(this JsonElement item, string field)
        => item.TryGetProperty(field, out JsonElement found) ? found.GetString() : null;

    /// <summary>
    /// The whole message or file of a case: <c>hex</c> or, when long, <c>hex_parts</c>.
    /// </summary>
    internal static byte[] Message(this JsonElement item)
        => item.Bytes("hex", "hex_parts", "len", "sha256");

    /// <summary>
    /// The data of an entry or of a snapshot: <c>data_hex</c> or <c>data_parts</c>.
    /// </summary>
    internal static byte[] Data(this JsonElement item)
        => item.Bytes("data_hex", "data_parts", "data_len", "data_sha256");

    /// <summary>
    /// An id as the decoder yields it: its text or its hex, whatever the case gives.
    /// </summary>
    internal static string DecodedIdHex(this JsonElement item, string name)
        => item.Text($"decoded_{name}_hex") ?? item.Text($"{name}_hex")
            ?? Hex(Encoding.UTF8.GetBytes(item.Text(name)!));

    internal static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static byte[] Bytes(
        this JsonElement item, string hex, string parts, string length, string sum)
    {
        if (item.Text(hex) is { } text)
        {
            return Convert.FromHexString(text);
        }

        using var bytes = new MemoryStream();
        foreach (JsonElement part in item.GetProperty(parts).EnumerateArray())
        {
            byte[] once = Convert.FromHexString(part.Text("hex") ?? part.Text("repeat")!);
            int times = part.TryGetProperty("count", out JsonElement count) ? count.GetInt32() : 1;
            for (int time = 0; time < times; time++)
            {
                bytes.Write(once);
            }
        }

        // The vectors prove themselves, so that a wrong expansion is not taken for a wrong engine.
        byte[] whole = bytes.ToArray();
        whole.Length.ShouldBe(item.GetProperty(length).GetInt32());
        Hex(SHA256.HashData(whole)).ShouldBe(item.Text(sum));
        return whole;
    }
}
