using System.Globalization;
using System.Text;

namespace Llama4Kernels.Server.Telemetry;

/// <summary>Writes metrics in Prometheus' text format.</summary>
internal sealed class PrometheusText
{
    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly StringBuilder _text = new();

    /// <summary>A value of now.</summary>
    public PrometheusText Gauge(string name, string help, double value, string labels = "") => Head(name, help, "gauge").Value(name, labels, value);

    /// <summary>A count since the start.</summary>
    public PrometheusText Counter(string name, string help, double value, string labels = "") => Head(name, help, "counter").Value(name, labels, value);

    /// <summary>Counts since the start, by labels.</summary>
    public PrometheusText Counters(string name, string help, IEnumerable<(string Labels, long Value)> values)
    {
        Head(name, help, "counter");
        foreach ((string labels, long value) in values.OrderBy(one => one.Labels, StringComparer.Ordinal))
        {
            Value(name, labels, value);
        }
        return this;
    }

    /// <summary>Times in seconds.</summary>
    public PrometheusText Times(string name, string help, Histogram times, string labels = "")
    {
        Head(name, help, "histogram");
        long[] counts = times.Cumulative();
        string more = labels.Length == 0 ? string.Empty : labels + ",";
        for (int i = 0; i < counts.Length; i++)
        {
            string bound = i < times.Bounds.Length ? times.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Value(name + "_bucket", $"{more}le=\"{bound}\"", counts[i]);
        }
        return Value(name + "_sum", labels, times.SumSeconds).Value(name + "_count", labels, counts[^1]);
    }

    /// <summary>A label with its value.</summary>
    public static string Label(string name, string value) =>
        $"{name}=\"{value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"";

    public override string ToString() => _text.ToString();

    private PrometheusText Head(string name, string help, string type)
    {
        _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");
        return this;
    }

    private PrometheusText Value(string name, string labels, double value)
    {
        _text.Append(name);
        if (labels.Length > 0)
        {
            _text.Append('{').Append(labels).Append('}');
        }
        _text.Append(CultureInfo.InvariantCulture, $" {value}\n");
        return this;
    }
}
