using System.Diagnostics;
using System.Reflection;
using System.Text;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>The ThreeNodes sample as a process of its own.</summary>
internal sealed class Sample : IDisposable
{
    private const string Committed = "committed ";
    private const string Recovered = "recovered ";

    private readonly Process _process;
    private readonly Task _reading;
    private readonly Task<string> _errors;
    private readonly Lock _gate = new();
    private readonly StringBuilder _text = new();

    private Sample(Process process)
    {
        _process = process;
        _reading = Task.Run(ReadAsync);
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>The program's folder, built with this assembly.</summary>
    internal static string Folder => Path.GetDirectoryName(Program)!;

    private static string Program => typeof(Sample).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "ThreeNodes").Value!;

    internal static Sample Start(IEnumerable<string> arguments)
        => Start(Program, arguments, new Dictionary<string, string>());

    internal static Sample Start(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // What steers the collector of this suite is not meant for its children.
        start.Environment.Remove("DOTNET_GCgen0size");
        start.Environment.Remove("DOTNET_gcServer");
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return new Sample(
            Process.Start(start) ?? throw new InvalidOperationException("no process was started"));
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    /// <summary>
    /// The last line it has reported as committed; 0 before the first. A report that the kill has
    /// cut off is none.
    /// </summary>
    internal int LastCommitted => Last(Committed);

    /// <summary>
    /// How many lines it found from an earlier run; 0 when it found none or did not look.
    /// </summary>
    internal int Found => Last(Recovered);

    internal bool HasEnded => _process.HasExited;

    /// <summary>Ends the process with SIGKILL, from one instruction to the next.</summary>
    internal void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }

        End();
    }

    /// <summary>
    /// Waits for its end; yields its exit code and what it wrote to standard error.
    /// </summary>
    internal (int Code, string Errors) End()
    {
        _process.WaitForExit();
        Task.WaitAll(_reading, _errors);
        return (_process.ExitCode, _errors.Result);
    }

    private int Last(string beginning)
    {
        string[] lines;
        lock (_gate)
        {
            lines = _text.ToString().Split('\n');
        }

        // The last piece has no line feed: it may be half a line.
        return lines[..^1]
            .Where(line => line.StartsWith(beginning, StringComparison.Ordinal))
            .Select(line => line[beginning.Length..].Split(',')[0])
            .Select(number => int.Parse(number, System.Globalization.CultureInfo.InvariantCulture))
            .LastOrDefault();
    }

    private async Task ReadAsync()
    {
        char[] room = new char[4096];
        int read;
        while ((read = await _process.StandardOutput.ReadAsync(room)) > 0)
        {
            lock (_gate)
            {
                _text.Append(room, 0, read);
            }
        }
    }
}
