// Answers of the service that a test changes on their way to the browser.

import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** An answer over gRPC-Web with a changed message. */
export function rewritten<S extends DescMessage>(schema: S, body: Buffer, change: (message: MessageShape<S>) => void): Buffer {
  const length = body.readUInt32BE(1);
  const message = fromBinary(schema, new Uint8Array(body).subarray(5, 5 + length));
  change(message);
  const bytes = toBinary(schema, message);
  const frame = new Uint8Array(5 + bytes.length + body.length - 5 - length);
  new DataView(frame.buffer).setUint32(1, bytes.length);
  frame.set(bytes, 5);
  frame.set(new Uint8Array(body).subarray(5 + length), 5 + bytes.length);
  return Buffer.from(frame.buffer);
}
