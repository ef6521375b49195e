// The public exports. Messages and enums are generated from the API's proto files.

export { Code } from "@connectrpc/connect";
export { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
export type { Timestamp } from "@bufbuild/protobuf/wkt";
export { ErrorReason, ViolationReason } from "./gen/outboundtasks/v1/errors_pb.js";
export * from "./gen/outboundtasks/v1/keys_pb.js";
export * from "./gen/outboundtasks/v1/outbound_tasks_pb.js";
export { OutboundTasks } from "./client.js";
export type { CallOptions, KeyRpcs, ListRequest, OnceOptions, Options, Rpcs } from "./client.js";
export { TaskError } from "./errors.js";
export type { FieldViolation } from "./errors.js";
export type { ImportTargetOptions as ImportTargetRequest, ImportTaskOptions as ImportTaskRequest } from "./upload.js";
export type { WatchOptions, WatchRequest, WatchState, WatchUpdate } from "./watch.js";
