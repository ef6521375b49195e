// Files to the service from a browser. Browsers cannot stream the body of a request, so all messages of the stream are sent
// as one body: gRPC-Web frames them the same way. The file is not read into memory; the browser sends its slices.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions, Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { TaskError } from "./errors.js";
import {
  type ImportOutboundTasksResponse, type ImportReport, type ImportTargetOptionsSchema, type ImportTaskOptionsSchema, type ImportTaskTargetsResponse,
  OutboundTaskService,
} from "./gen/outboundtasks/v1/outbound_tasks_pb.js";

/** How to read a lead list, and the task that gets its customers, with the field names of the API. */
export type ImportTargetOptions = Omit<MessageInitShape<typeof ImportTargetOptionsSchema>, "$typeName">;

/** How to read a file of tasks, with the field names of the API. */
export type ImportTaskOptions = Omit<MessageInitShape<typeof ImportTaskOptionsSchema>, "$typeName">;

/** The rpcs that take a file: their messages differ in the options alone. */
interface Uploads {
  importOutboundTasks: ImportTaskOptions;
  importTaskTargets: ImportTargetOptions;
}

/** The size of a chunk of a file, in bytes: a message holds at most 256 KiB. */
const CHUNK = 200 * 1024;

/** Sends a file as the messages of an import. */
export async function upload<Name extends keyof Uploads>(
  name: Name,
  baseUrl: string,
  signed: Interceptor,
  options: Uploads[Name],
  file: Blob,
  { signal, timeoutMs, headers }: CallOptions,
): Promise<ImportReport> {
  const chunks: BlobPart[] = [];
  for (let at = 0; at < file.size; at += CHUNK) {
    const chunk = file.slice(at, at + CHUNK);
    chunks.push(frame(chunk.size), chunk);
  }
  const transport = createGrpcWebTransport({
    baseUrl,
    interceptors: [signed],
    fetch: (input, init) => fetch(input, { ...init, body: new Blob([init?.body as BlobPart, ...chunks]) }),
  });
  // The transport sends the first message of a unary call, to which the chunks are added.
  const method = Object.create(OutboundTaskService.method[name], { methodKind: { value: "unary" } });
  try {
    const { message } = await transport.unary(method, signal, timeoutMs, headers, { part: { case: "options", value: options } });
    const { report } = message as ImportTaskTargetsResponse | ImportOutboundTasksResponse;
    if (!report) {
      throw TaskError.from("the response contains no report");
    }
    return report;
  } catch (reason) {
    throw TaskError.from(reason);
  }
}

/** What comes before a chunk: the frame of a message, and the tag and the length of field 2, the chunk. */
function frame(size: number): Uint8Array<ArrayBuffer> {
  const field = [0x12];
  for (let rest = size; ; rest >>>= 7) {
    field.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) {
      break;
    }
  }
  const bytes = new Uint8Array(5 + field.length);
  new DataView(bytes.buffer).setUint32(1, field.length + size);
  bytes.set(field, 5);
  return bytes;
}
