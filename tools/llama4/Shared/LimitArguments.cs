using System.CommandLine;
using Llama4Kernels.Server;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that bound what one request may ask of a server. Those that are left out are as the server has them.</summary>
internal sealed class LimitArguments
{
    private static readonly ServerLimits s_usual = new();

    private readonly Option<int> _body = Number("--max-body-bytes", "Bytes of a request.", s_usual.MaxBodyBytes);
    private readonly Option<int> _pictures = Number("--max-pictures", "Pictures of a request.", s_usual.MaxPictures);
    private readonly Option<long> _pixels = Number("--max-picture-pixels", "Pixels of a picture.", s_usual.MaxPicturePixels);
    private readonly Option<int?> _tokens = new("--max-new-tokens") { Description = "Tokens of an answer. Default: what the context leaves.", CustomParser = Numbers.ReadOptional<int> };
    private readonly Option<int> _choices = Number("--max-choices", "Choices (n) of a request.", s_usual.MaxChoices);
    private readonly Option<int> _stops = Number("--max-stop-strings", "Stop strings of a request.", s_usual.MaxStopStrings);
    private readonly Option<int> _tools = Number("--max-tools", "Tools of a request.", s_usual.MaxTools);
    private readonly Option<int> _open = Number("--max-open-requests", "Requests that are open at a time; another one is refused with 429.", s_usual.MaxOpenRequests);
    private readonly Option<double> _request = Seconds("--request-seconds", "Longest time of a request.", s_usual.RequestTime);
    private readonly Option<double> _idle = Seconds("--idle-seconds", "Longest time in which nothing of an answer comes.", s_usual.IdleTime);
    private readonly Option<double> _slow = Seconds("--slow-client-seconds", "Longest time in which a client may leave its answer unread, or its request unsent.", s_usual.SlowClientTime);
    private readonly Option<double> _drain = Seconds("--drain-seconds", "Longest time in which requests may go on after the server was told to end.", s_usual.DrainTime);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_body, _pictures, _pixels, _tokens, _choices, _stops, _tools, _open, _request, _idle, _slow, _drain])
        {
            command.Add(option);
        }
    }

    /// <summary>The limits that the options ask for.</summary>
    /// <exception cref="ArgumentException">One is out of range.</exception>
    public ServerLimits Read(ParseResult parsed) => new()
    {
        MaxBodyBytes = parsed.GetValue(_body),
        MaxPictures = parsed.GetValue(_pictures),
        MaxPicturePixels = parsed.GetValue(_pixels),
        MaxNewTokens = parsed.GetValue(_tokens),
        MaxChoices = parsed.GetValue(_choices),
        MaxStopStrings = parsed.GetValue(_stops),
        MaxTools = parsed.GetValue(_tools),
        MaxOpenRequests = parsed.GetValue(_open),
        RequestTime = Time(parsed, _request),
        IdleTime = Time(parsed, _idle),
        SlowClientTime = Time(parsed, _slow),
        DrainTime = Time(parsed, _drain),
    };

    private static Option<T> Number<T>(string name, string description, T usual)
        where T : struct, System.Numerics.INumber<T> => new(name) { Description = description, CustomParser = Numbers.Read<T>, DefaultValueFactory = _ => usual };

    private static Option<double> Seconds(string name, string description, TimeSpan usual) => Number(name, description, usual.TotalSeconds);

    private static TimeSpan Time(ParseResult parsed, Option<double> option) => parsed.GetValue(option) switch
    {
        // What a TimeSpan can be; the limits say what is too long.
        > 0 and < 1e9 and double seconds => TimeSpan.FromSeconds(seconds),
        double seconds => throw new ArgumentException(FormattableString.Invariant($"{option.Name}: {seconds} is not a time in seconds above 0.")),
    };
}
