using System.Security.Cryptography;
using System.Text;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>The peers of the catalogue, and how a server's name becomes an id.</summary>
internal static class Ids
{
    /// <summary>The node under test: the id of server S-1.</summary>
    internal const string Self = "esFhDys3";

    internal const string S2 = "z3WIzPtj";
    internal const string S3 = "Z2sYEJH3";

    internal const string N0 = "S1Nunr6R";
    internal const string N1 = "yrzKKRBu";
    internal const string N2 = "cnrtt3eg";
    internal const string N3 = "bkCGheKT";

    private const string Alphabet =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// <summary>The server's rule: eight bytes of the name's SHA-256, each modulo 62.</summary>
    internal static string OfServer(string name)
        => string.Concat(
            SHA256.HashData(Encoding.UTF8.GetBytes(name))
                .Take(8)
                .Select(@byte => Alphabet[@byte % 62]));

    /// <summary>The id of member <paramref name="number"/> (from 1) of a test group.</summary>
    internal static string OfMember(int number) => OfServer($"S-{number}");
}
