// Commands for a terminal that ask for what a page shows. The key is not in them: they take it from the environment.

/** A text as one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function curl(path: string): string {
  return `curl --silent --show-error --header "X-API-Key: $OUTBOUND_TASKS_API_KEY" ${quoted(location.origin + path)}`;
}

export function grpcurl(rpc: string, request: object): string {
  const isPlain = location.protocol === "http:";
  const port = location.port || (isPlain ? "80" : "443");
  const parts = ["grpcurl", isPlain && "-plaintext", "-H", '"x-api-key: $OUTBOUND_TASKS_API_KEY"', "-d", quoted(JSON.stringify(request))];
  return [...parts, `${location.hostname}:${port}`, `outboundtasks.v1.OutboundTaskService/${rpc}`].filter(Boolean).join(" ");
}
