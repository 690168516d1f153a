using System.Runtime.InteropServices;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>A program without the native library says what it looked for and where.</summary>
public class ResolverTests : BoundaryTest
{
    [RaftFact]
    public void AProgramWithoutTheLibrary_NamesEveryPlaceItTried()
    {
        using var folder = new TestFolder();
        IEnumerable<string> files = Directory.GetFiles(Sample.Folder)
            .Where(file => !file.Contains("natsraft", StringComparison.Ordinal));
        foreach (string file in files)
        {
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        }

        string input = Path.Combine(folder.Path, "input.txt");
        File.WriteAllText(input, "a line\n");
        string named = Path.Combine(folder.Path, "named-by-the-variable.so");

        using var sample = Sample.Start(
            Path.Combine(folder.Path, "ThreeNodes.dll"),
            [input],
            new Dictionary<string, string> { ["NATSRAFT_LIBRARY"] = named });
        (int code, string errors) = sample.End();

        code.ShouldNotBe(0);
        errors.ShouldContain("the native library 'natsraft'");
        errors.ShouldContain($"{named} (no file)");
        errors.ShouldContain($"{Path.Combine(folder.Path, "libnatsraft")}");
        errors.ShouldContain(
            Path.Combine("runtimes", RuntimeInformation.RuntimeIdentifier, "native"));
        errors.ShouldContain("NATSRAFT_LIBRARY");
        errors.ShouldContain("./build.sh native");
    }
}
