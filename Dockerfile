# docker build -t llama4 .
# docker run --rm -p 127.0.0.1:8080:8080 -v ./keys:/etc/llama4/keys:ro -v ./models:/models:ro llama4 --model /models/scout
#
# docs/deployment.md says what a container needs. What follows the image's name is added to the options of "llama4 serve" below.
FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
WORKDIR /source
ENV DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
COPY . .
RUN dotnet publish tools/llama4 -c Release -o /app

# Neither a shell nor a package manager, and a user of its own that is not root.
FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
WORKDIR /app
COPY --from=build /app .
# Without diagnostics the program writes nothing, so its file system may be read-only.
ENV DOTNET_EnableDiagnostics=0
USER $APP_UID
EXPOSE 8080
STOPSIGNAL SIGTERM
# The process answers; whether the model is there is for who sends requests to ask ("llama4 health --ready").
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["dotnet", "/app/llama4.dll", "health", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["dotnet", "/app/llama4.dll", "serve", "--host", "0.0.0.0", "--port", "8080", "--api-key-file", "/etc/llama4/keys"]
