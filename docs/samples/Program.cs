using Llama4Kernels.Samples;

string sample = args is [{ } name, ..] ? name : "help";
string model = args is [_, { } path, ..] ? path : "tools/sample-model";
switch (sample)
{
    case "console":
        await ConsoleSample.RunAsync(model, Console.Out);
        break;
    case "web":
        await WebSample.Create("--Llama4:Model", model).RunAsync();
        break;
    case "functions":
        await FunctionSample.RunAsync(model, Console.Out);
        break;
    case "picture":
        await PictureSample.RunAsync(model, args is [_, _, { } picture] ? picture : "Tests/Golden/nano/pictures/one.png", Console.Out);
        break;
    case "prefix":
        await PrefixSample.RunAsync(model, Console.Out);
        break;
    case "evaluation":
        await EvaluationSample.RunAsync(model, Console.Out);
        break;
    default:
        Console.Error.WriteLine("usage: dotnet run -c Release --project docs/samples -- console|web|functions|picture|prefix|evaluation [MODEL] [PICTURE]");
        return 2;
}
return 0;
