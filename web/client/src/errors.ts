// Errors in a form that programs can act on.

import type { Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

import { FieldViolationsSchema } from "./gen/outboundtasks/v1/errors_pb.js";

/** A violation of one field of a request. */
export interface FieldViolation {
  /** The name of the field in the API, such as `date_range.end`. */
  field: string;
  /** What is wrong with it, in English. */
  description: string;
  /** The name of the `ViolationReason` in the API, such as `OUT_OF_RANGE`; empty from a service that has none. */
  reason: string;
  /** The parameters for a sentence in another language, such as `min`, `max` and `actual`; see `errors.proto`. */
  parameters: Record<string, string>;
}

/** A failed call: an error of the service, or of the connection to it. */
export class TaskError extends Error {
  override readonly name = "TaskError";

  private constructor(
    message: string,
    /** The gRPC status code; `Unavailable` also if the service could not be reached at all. */
    readonly code: Code,
    /** All field violations, with `InvalidArgument`. */
    readonly fields: FieldViolation[],
    /** Further facts, such as `status`, `allowed_actions`, `etag` and `count`, as documented in the API. */
    readonly metadata: Record<string, string>,
    /** The name of an `ErrorReason` of the API, such as `TASK_ENDED`, or of the code; empty if there was no response. */
    readonly reason: string,
    /** The id of the request in the service's log; empty if there was no response. */
    readonly requestId: string,
    /** The retry delay that the service suggests, in milliseconds. */
    readonly retryAfterMs: number | undefined,
    cause: unknown,
  ) {
    super(message, { cause });
  }

  /** Converts an error and reads its details. A TaskError is returned unchanged. */
  static from(reason: unknown): TaskError {
    if (reason instanceof TaskError) {
      return reason;
    }
    const error = ConnectError.from(reason);
    const info = error.findDetails(ErrorInfoSchema)[0];
    const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    const violations = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
    // In the same order as the violations; empty from an older service.
    const more = error.findDetails(FieldViolationsSchema).flatMap((own) => own.violations);
    return new TaskError(
      error.rawMessage,
      code(error),
      violations.map(({ field, description, reason }, n) => ({ field, description, reason, parameters: { ...more[n]?.parameters } })),
      { ...info?.metadata },
      info?.reason ?? "",
      error.findDetails(RequestInfoSchema)[0]?.requestId ?? error.metadata.get("x-request-id") ?? "",
      delay && milliseconds(delay),
      reason,
    );
  }
}

/**
 * The code of an error. Errors of the service have details. Failures on the way (no connection, an interrupted one, a
 * proxy's page) have none, and the transport calls them Unknown; callers get Unavailable.
 */
function code(error: ConnectError): Code {
  return error.code === Code.Unknown && error.details.length === 0 ? Code.Unavailable : error.code;
}

function milliseconds(delay: Duration): number {
  return Number(delay.seconds) * 1000 + delay.nanos / 1_000_000;
}
