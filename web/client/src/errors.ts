// What went wrong, in a form that a program can act on.

import type { Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

import { FieldViolationsSchema } from "./gen/outboundtasks/v1/errors_pb.js";

/** A field of a request that is at fault. */
export interface FieldFault {
  /** The field's name in the contract, as `date_range.end`. */
  field: string;
  /** What is wrong with it. */
  description: string;
  /** The same as a name of the contract's `ViolationReason`, as `OUT_OF_RANGE`; empty from a service that has none. */
  reason: string;
  /** What a sentence in another language needs, as `min`, `max` and `actual`: see `errors.proto`. */
  parameters: Record<string, string>;
}

/** An error of a call: the service's own, or one of the way to it. */
export class TaskError extends Error {
  override readonly name = "TaskError";

  private constructor(
    message: string,
    /** gRPC's code. `Unavailable` also where the service could not be reached at all. */
    readonly code: Code,
    /** Every field at fault, with `InvalidArgument`. */
    readonly fields: FieldFault[],
    /** What else a program may want: `status` and `allowed_actions`, `etag`, `count`, as the contract says. */
    readonly metadata: Record<string, string>,
    /** A name of the contract's `ErrorReason`, as `TASK_ENDED`, or of the code; empty where no answer came. */
    readonly reason: string,
    /** Names the request in the service's log; empty where no answer came. */
    readonly requestId: string,
    /** When to try again, where the service says so. */
    readonly retryAfterMs: number | undefined,
    cause: unknown,
  ) {
    super(message, { cause });
  }

  /** The same error with its details read; one that is a TaskError already stays as it is. */
  static from(reason: unknown): TaskError {
    if (reason instanceof TaskError) {
      return reason;
    }
    const error = ConnectError.from(reason);
    const info = error.findDetails(ErrorInfoSchema)[0];
    const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    const faults = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
    // In the same order, and without any from an older service.
    const more = error.findDetails(FieldViolationsSchema).flatMap((own) => own.violations);
    return new TaskError(
      error.rawMessage,
      code(error),
      faults.map(({ field, description, reason }, n) => ({ field, description, reason, parameters: { ...more[n]?.parameters } })),
      { ...info?.metadata },
      info?.reason ?? "",
      error.findDetails(RequestInfoSchema)[0]?.requestId ?? error.metadata.get("x-request-id") ?? "",
      delay && milliseconds(delay),
      reason,
    );
  }
}

/**
 * The code of an error. The service's own have details. What breaks on the way (no connection, one that is cut, a
 * proxy's own page) has none, and is Unknown to the transport: to a caller it is Unavailable.
 */
function code(error: ConnectError): Code {
  return error.code === Code.Unknown && error.details.length === 0 ? Code.Unavailable : error.code;
}

function milliseconds(delay: Duration): number {
  return Number(delay.seconds) * 1000 + delay.nanos / 1_000_000;
}
