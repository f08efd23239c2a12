using System.ComponentModel;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;

namespace Llama4Kernels.Samples;

/// <summary>The model calls a method of the program and puts what it gives into words.</summary>
public static class FunctionSample
{
    public static async Task RunAsync(string model, TextWriter output)
    {
        #region docs/hosting.md
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(model);
        IChatClient client = new Llama4ChatClient(engine).AsBuilder().UseFunctionInvocation().Build();

        [Description("Weather in a city")]
        Dictionary<string, int> GetWeather(string city)
        {
            output.WriteLine($"(asked for {city})");
            return new() { ["temperature"] = 22 };
        }

        var options = new ChatOptions { Temperature = 0, Tools = [AIFunctionFactory.Create(GetWeather, "get_weather")] };
        ChatResponse response = await client.GetResponseAsync("What is the weather in Lima?", options);
        output.WriteLine(response.Text);
        #endregion
    }
}
