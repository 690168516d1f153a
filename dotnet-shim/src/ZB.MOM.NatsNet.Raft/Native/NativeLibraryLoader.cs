using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>Finds the native library, and says where it looked when it does not.</summary>
internal static class NativeLibraryLoader
{
    internal const string LibraryName = "natsraft";
    internal const string Variable = "NATSRAFT_LIBRARY";

    /// <summary>
    /// The path the library was loaded from; null before, or when linked statically.
    /// </summary>
    internal static string? ResolvedPath { get; private set; }

    /// <summary>Registers the resolver. Once per process: a second registration throws.</summary>
    internal static void Register()
        => NativeLibrary.SetDllImportResolver(typeof(NativeLibraryLoader).Assembly, Resolve);

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != LibraryName)
        {
            return IntPtr.Zero;
        }

        // Whoever names a file means that one: another would run with nobody noticing.
        string? named = Environment.GetEnvironmentVariable(Variable);
        bool isNamed = !string.IsNullOrEmpty(named);
        foreach (string candidate in isNamed ? [named!] : Places())
        {
            if (NativeLibrary.TryLoad(candidate, out IntPtr handle))
            {
                ResolvedPath = candidate;
                return handle;
            }
        }

        if (isNamed)
        {
            throw new DllNotFoundException(Explain(named));
        }

        if (NativeLibrary.TryLoad(name, assembly, searchPath, out IntPtr probed))
        {
            ResolvedPath = $"{name} (default probing)";
            return probed;
        }

        throw new DllNotFoundException(Explain(named: null));
    }

    private static IEnumerable<string> Places()
    {
        string file = OperatingSystem.IsWindows() ? $"{LibraryName}.dll"
            : OperatingSystem.IsMacOS() ? $"lib{LibraryName}.dylib"
            : $"lib{LibraryName}.so";
        string beside = AppContext.BaseDirectory;
        yield return Path.Combine(beside, file);
        yield return Path.Combine(
            beside, "runtimes", RuntimeInformation.RuntimeIdentifier, "native", file);
    }

    private static string Explain(string? named)
    {
        var text = new StringBuilder()
            .Append("the native library '").Append(LibraryName).Append("' for ")
            .Append(RuntimeInformation.RuntimeIdentifier)
            .Append(" was not found or could not be loaded; tried:");
        if (!string.IsNullOrEmpty(named))
        {
            Append(text, named).Append("\nand, as ").Append(Variable).Append(" names it, none of:");
        }

        foreach (string path in Places())
        {
            Append(text, path);
        }

        return text
            .Append("\n  the default search for '").Append(LibraryName).Append('\'')
            .Append("\nBuild it with ./build.sh native, or name a file in ").Append(Variable)
            .Append('.').ToString();
    }

    private static StringBuilder Append(StringBuilder text, string path)
        => text.Append("\n  ").Append(path).Append(File.Exists(path) ? " (exists)" : " (no file)");
}
